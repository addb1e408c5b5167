"""Combinations of settings that are valid one by one and cannot be trained together.

The trainer's own objectives are asked; the data is not loaded, only known about.
"""

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import assert_never

import torch

from trainer.errors import ModelSettingsError, TrainerError
from trainer.models.sizes import check_model
from trainer.objective import ObjectiveContext, build_objective
from trainer.objective_settings import ObjectiveSettings
from trainer.settings import DataSettings, ModelSettings, TrialSettings


@dataclass(frozen=True, slots=True)
class SourceFacts:
    """What is known of a data source without loading it."""

    image_count: int
    class_count: int
    image_shape: tuple[int, int, int]

    def split(self, test_fraction: float) -> tuple[int, int]:
        """Return how many images go to train and to test; the test share is rounded up."""
        test_count = math.ceil(test_fraction * self.image_count)
        return self.image_count - test_count, test_count


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Why a trial cannot be trained, and the setting to blame."""

    path: str
    reason: str


def find_obstacle(trial: TrialSettings) -> Obstacle | None:
    """Return why the trainer would refuse a trial whose settings are valid one by one."""
    facts = know_source(trial.data)
    train_count, test_count = facts.split(trial.data.test_fraction)
    if min(test_count, train_count) < facts.class_count:
        return Obstacle(
            "data.test_fraction",
            f"leaves {train_count} images to train and {test_count} to test; both need at "
            f"least one of each of the {facts.class_count} classes",
        )
    if trial.train.batch_size > train_count:
        return Obstacle(
            "train.batch_size",
            f"expected at most {train_count}, the images that {trial.data.source} has for "
            f"training, got {trial.train.batch_size}",
        )
    try:
        check_model(trial.model, facts.image_shape)
    except ModelSettingsError as error:
        return Obstacle(f"model.{error.field}", error.reason)
    micro = trial.train.micro_batch_size
    if micro is not None and micro < trial.train.batch_size and _has_batch_norm(trial.model):
        return Obstacle(
            "train.micro_batch_size",
            "cannot be smaller than train.batch_size with batch norm (model.norm: batch, or a "
            "resnet that trains), whose statistics are those of the whole batch; choose another "
            "norm or encoder, or leave it out",
        )
    reason = _why_objective_fails(
        trial.objective, trial.train.batch_size, trial.model.embed_dim, facts.class_count
    )
    return None if reason is None else Obstacle("objective.kind", reason)


def _has_batch_norm(model: ModelSettings) -> bool:
    return model.norm == "batch" or (model.encoder == "resnet" and not model.frozen)


def know_source(data: DataSettings) -> SourceFacts:
    """Return the facts of a data source."""
    match data.source:
        case "digits":
            return SourceFacts(image_count=1797, class_count=10, image_shape=(1, 8, 8))
        case unreachable:
            assert_never(unreachable)


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
