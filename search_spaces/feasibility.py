"""Combinations of settings that are valid one by one and cannot be trained together."""

from functools import lru_cache
from typing import Literal, assert_never

import torch

from trainer.errors import TrainerError
from trainer.objective import ObjectiveContext, build_objective
from trainer.objective_settings import ObjectiveSettings
from trainer.settings import TrialSettings


def why_impossible(trial: TrialSettings) -> str | None:
    """Return why the trainer would refuse a trial, in its own words; None if it would not."""
    return _why_objective_fails(
        trial.objective,
        trial.train.batch_size,
        trial.model.embed_dim,
        count_classes(trial.data.source),
    )


def count_classes(source: Literal["digits"]) -> int:
    """Return how many classes a data source has, without loading it."""
    match source:
        case "digits":
            return 10
        case _:
            assert_never(source)


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
