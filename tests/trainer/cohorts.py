"""Small cohorts on the real digits, and outcomes as they are compared in the tests."""

from collections.abc import Sequence

import torch

from tests.contracts.objective import read_settings
from trainer.cohort import Cohort, Member, Outcome
from trainer.loop import train_cohort
from trainer.settings import (
    CollapseSettings,
    DataSettings,
    ModelSettings,
    SharedTrainSettings,
    TrainSettings,
)

DIGITS = DataSettings(source="digits")
CPU = torch.device("cpu")
OWN = TrainSettings.model_fields.keys() - SharedTrainSettings.model_fields.keys()
NEVER_EARLY = CollapseSettings(every_steps=5, settle_checks=0)


def make_member(
    trial: str, *, lr: float, seed: int = 1, audited: bool = False, **objective: object
) -> Member:
    """Return a member whose objective is read as a study's would be."""
    settings = read_settings(**objective)
    return Member(trial=trial, replicate=0, seed=seed, lr=lr, objective=settings, audited=audited)


def make_cohort(
    members: Sequence[Member],
    *,
    model: ModelSettings | None = None,
    train: TrainSettings | None = None,
    collapse: CollapseSettings = NEVER_EARLY,
) -> Cohort:
    """Return a cohort on the digits, by default a small network and few steps.

    What ``train`` says of single members (weight decay, warm-up, schedule) is said to them all.
    """
    train = train or TrainSettings(batch_size=64, steps=10)
    own = {name: getattr(train, name) for name in OWN & train.model_fields_set}
    return Cohort(
        cohort_id="cohort",
        data=DIGITS,
        model=model or ModelSettings(encoder="mlp", hidden=(32,), embed_dim=16),
        train=train.shared(),
        collapse=collapse,
        members=tuple(member.model_copy(update=own) for member in members),
    )


def train_by_trial(cohort: Cohort, dtype: torch.dtype = torch.float32) -> dict[str, Outcome]:
    """Train and return the outcomes by trial key, without the time they took."""
    outcomes = train_cohort(cohort, device=CPU, dtype=dtype)
    return {o.trial: o.model_copy(update={"seconds": 0.0}) for o in outcomes}
