"""Combinations of settings that are valid one by one and cannot be trained together.

The trainer's own objectives are asked; no image and no sound is read, only labels.
"""

from dataclasses import dataclass
from functools import lru_cache

import torch

from trainer.audio_settings import AudioAugmentSettings, AudioSettings
from trainer.data.images import ImageFacts, know_images
from trainer.data.pair_facts import PairFacts, know_pairs
from trainer.errors import DataError, ModelSettingsError, TrainerError
from trainer.models.sizes import check_model, has_batch_norm
from trainer.models.tower_checks import check_towers
from trainer.models.tower_inputs import audio_input
from trainer.objective import ObjectiveContext, build_objective, uses_likeness
from trainer.objective_settings import ObjectiveSettings
from trainer.settings import AugmentSettings, DataSettings, ModelSettings
from trainer.tower_settings import TowersSettings
from trainer.trial_settings import TrialSettings

LABEL_KINDS = frozenset({"supcon", "clop", "nscl", "ce", "focal"})
"""Objectives that every sample's class is asked of."""

_FEWEST_VAL_CLIPS = 2
"""Among fewer every caption finds its clip."""


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Why a trial cannot be trained, and the setting to blame."""

    path: str
    reason: str


def find_obstacle(trial: TrialSettings, metric: str | None = None) -> Obstacle | None:
    """Return why the trainer would refuse a trial whose settings are valid one by one.

    Args:
        trial: The settings.
        metric: The measure that the study optimises, which the trial has to yield.
    """
    try:
        classes = _check_form(trial)
        _check_val_clips(trial, metric)
    except DataError as error:
        return Obstacle(f"data.{error.field}", error.reason)
    except ModelSettingsError as error:
        return Obstacle(f"model.{error.field}", error.reason)
    except _RefusedError as refusal:
        return refusal.obstacle
    reason = _why_objective_fails(
        trial.objective, trial.train.batch_size, trial.model.embed_dim, classes
    )
    return None if reason is None else Obstacle("objective.kind", reason)


class _RefusedError(Exception):
    """Carries an obstacle."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(reason)
        self.obstacle = Obstacle(path, reason)


def _check_form(trial: TrialSettings) -> int:
    """Check a trial of images, or of sounds; return the number of classes."""
    match trial.data, trial.model:
        case DataSettings() as data, ModelSettings() as model:
            return _check_images(trial, data, model)
        case AudioSettings() as data, TowersSettings() as towers:
            return _check_pairs(trial, data, towers)
        case AudioSettings(), _:
            raise _RefusedError(
                "model",
                f"expected two towers for {trial.data.source}, e.g. model: {{audio: {{encoder: "
                "conv}, text: {encoder: transformer}}; got an encoder of images",
            )
        case _:
            raise _RefusedError(
                "model",
                f"expected an encoder of images for {trial.data.source}, e.g. model: {{encoder: "
                "mlp}; got towers of sounds and captions",
            )


def _check_images(trial: TrialSettings, data: DataSettings, model: ModelSettings) -> int:
    facts = know_source(data)
    if uses_likeness(trial.objective):
        raise _RefusedError(
            "objective.similarities",
            "expected online for images, got offline, which compares the frozen features of clips "
            "and captions; leave it out",
        )
    if trial.train.batch_size > facts.train_count:
        raise _RefusedError(
            "train.batch_size",
            f"expected at most {facts.train_count}, the images that {data.source} has for "
            f"training, got {trial.train.batch_size}",
        )
    check_model(model, facts.image_shape)
    if _is_cut(trial) and has_batch_norm(model):
        raise _RefusedError(
            "train.micro_batch_size",
            "cannot be smaller than train.batch_size with batch norm (model.norm, which is batch "
            "for resnets by default, head_norm or head_out_norm), whose statistics are those of "
            "the whole batch; choose another norm, or leave it out",
        )
    return facts.class_count


def _check_pairs(trial: TrialSettings, data: AudioSettings, towers: TowersSettings) -> int:
    facts = know_clips(data)
    if trial.train.batch_size > facts.train_count:
        raise _RefusedError(
            "train.batch_size",
            f"expected at most {facts.train_count}, the clips that {data.source} has for "
            f"training, got {trial.train.batch_size}",
        )
    if data.hard_negatives >= trial.train.batch_size:
        raise _RefusedError(
            "data.hard_negatives",
            f"expected at most {trial.train.batch_size - 1}, the negatives that a pair meets in "
            f"batches of train.batch_size {trial.train.batch_size}, got {data.hard_negatives}",
        )
    check_towers(towers, data)
    if towers.audio.is_fixed and data.augment != AudioAugmentSettings():
        raise _RefusedError(
            "data.augment",
            f"has no effect on {towers.audio.encoder}, whose features are computed once; leave "
            "it out, or choose an encoder that is trained",
        )
    _check_masks(data, towers)
    if _is_cut(trial) and towers.norm == "batch":
        raise _RefusedError(
            "train.micro_batch_size",
            "cannot be smaller than train.batch_size with model.norm: batch, whose statistics "
            "are those of the whole batch; choose another norm, or leave it out",
        )
    if trial.objective.kind in LABEL_KINDS and facts.unlabelled:
        raise _RefusedError(
            "objective.kind",
            f"{trial.objective.kind} needs one class for every clip, but {facts.unlabelled} of "
            f"{facts.train_count} train clips have none or several; choose an objective without "
            "labels",
        )
    return facts.class_count


def _check_masks(data: AudioSettings, towers: TowersSettings) -> None:
    """Refuse SpecAugment of encoders that take no spectrogram."""
    if audio_input(towers.audio) != "waveform":
        return
    for name in ("time_masks", "band_masks"):
        count = getattr(data.augment, name)
        if count:
            raise _RefusedError(
                f"data.augment.{name}",
                f"expected 0 for {towers.audio.encoder}, which takes waveforms, got {count}: "
                "masks are for spectrograms; leave it out (gain_db and mix_share have an effect), "
                "or choose an encoder that takes spectrograms",
            )


def _check_val_clips(trial: TrialSettings, metric: str | None) -> None:
    """Refuse to choose by val clips where there are none."""
    if metric is None or not metric.startswith("val_"):
        return
    if not isinstance(trial.data, AudioSettings):
        return  # no study of images measures it, and another rule says so
    count = know_clips(trial.data).val_count
    if count < _FEWEST_VAL_CLIPS:
        raise _RefusedError(
            "optimise.metric",
            f"expected at least {_FEWEST_VAL_CLIPS} val clips to measure {metric} on, got {count} "
            f"of {trial.data.source}; give it val clips (a manifest: val rows in its column split, "
            f"or no such column and data.val_share), or take {metric.removeprefix('val_')}, which "
            "looks at the test clips",
        )


def _is_cut(trial: TrialSettings) -> bool:
    micro = trial.train.micro_batch_size
    return micro is not None and micro < trial.train.batch_size


def know_source(data: DataSettings) -> ImageFacts:
    """Return the facts of a source of images; its labels are read once for a process.

    Raises:
        DataError: If the source is not on disk, is damaged, or does not take the settings.
    """
    # What does not shape the split would only make the same labels be read again.
    return _know(data.model_copy(update={"augment": AugmentSettings()}))


def know_clips(data: AudioSettings) -> PairFacts:
    """Return the facts of a source of sounds; its captions are read once for a process.

    Raises:
        DataError: As :func:`know_source`.
    """
    # What does not shape the split would only make the same captions be read again.
    plain = {"augment": AudioAugmentSettings(), "hard_negatives": 0}
    return _know_pairs(data.model_copy(update=plain))


@lru_cache(maxsize=1024)
def _know(data: DataSettings) -> ImageFacts:
    return know_images(data)


@lru_cache(maxsize=256)
def _know_pairs(data: AudioSettings) -> PairFacts:
    return know_pairs(data)


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
