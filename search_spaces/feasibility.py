"""Combinations of settings that are valid one by one and cannot be trained together.

The trainer's own objectives are asked; no image is read, only labels.
"""

from dataclasses import dataclass
from functools import lru_cache

import torch

from trainer.data.images import ImageFacts, know_images
from trainer.errors import DataError, ModelSettingsError, TrainerError
from trainer.models.sizes import check_model, has_batch_norm
from trainer.objective import ObjectiveContext, build_objective
from trainer.objective_settings import ObjectiveSettings
from trainer.settings import AugmentSettings, DataSettings, TrialSettings


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Why a trial cannot be trained, and the setting to blame."""

    path: str
    reason: str


def find_obstacle(trial: TrialSettings) -> Obstacle | None:
    """Return why the trainer would refuse a trial whose settings are valid one by one."""
    try:
        facts = know_source(trial.data)
    except DataError as error:
        return Obstacle(f"data.{error.field}", error.reason)
    if trial.train.batch_size > facts.train_count:
        return Obstacle(
            "train.batch_size",
            f"expected at most {facts.train_count}, the images that {trial.data.source} has for "
            f"training, got {trial.train.batch_size}",
        )
    try:
        check_model(trial.model, facts.image_shape)
    except ModelSettingsError as error:
        return Obstacle(f"model.{error.field}", error.reason)
    micro = trial.train.micro_batch_size
    if micro is not None and micro < trial.train.batch_size and has_batch_norm(trial.model):
        return Obstacle(
            "train.micro_batch_size",
            "cannot be smaller than train.batch_size with batch norm (model.norm, which is batch "
            "for resnets by default, head_norm or head_out_norm), whose statistics are those of "
            "the whole batch; choose another norm, or leave it out",
        )
    reason = _why_objective_fails(
        trial.objective, trial.train.batch_size, trial.model.embed_dim, facts.class_count
    )
    return None if reason is None else Obstacle("objective.kind", reason)


def know_source(data: DataSettings) -> ImageFacts:
    """Return the facts of a data source; its labels are read once for a process.

    Raises:
        DataError: If the source is not on disk, is damaged, or does not take the settings.
    """
    # What does not shape the split would only make the same labels be read again.
    return _know(data.model_copy(update={"augment": AugmentSettings()}))


@lru_cache(maxsize=1024)
def _know(data: DataSettings) -> ImageFacts:
    return know_images(data)


@lru_cache(maxsize=1024)
def _why_objective_fails(
    objective: ObjectiveSettings, batch_size: int, embed_dim: int, class_count: int
) -> str | None:
    context = ObjectiveContext(
        batch_size=batch_size,
        embed_dim=embed_dim,
        class_count=class_count,
        seeds=(0,),
        device=torch.device("cpu"),
        dtype=torch.float32,
    )
    try:
        build_objective([objective], context)
    except TrainerError as error:
        return str(error)
    return None
