"""A diverged member: when it is noticed, what is written down, and that no number is a NaN."""

import json
import math
from typing import Any

import pytest
import torch

from tests.trainer.cohorts import make_cohort, make_member, train_by_trial
from trainer.cohort import Outcome
from trainer.collapse.regime import Regime
from trainer.settings import CollapseSettings, TrainSettings

OVERFLOWING_LR = 1e30
EVERY_STEP = CollapseSettings(every_steps=1, settle_checks=0)
DIVERGING = make_member("diverging", lr=OVERFLOWING_LR, kind="infonce")
CALM = make_member("calm", lr=0.05, kind="infonce")


def numbers_in(value: Any) -> list[float]:
    """Return every number anywhere inside parsed JSON."""
    match value:
        case dict():
            return [number for item in value.values() for number in numbers_in(item)]
        case list():
            return [number for item in value for number in numbers_in(item)]
        case bool() | str() | None:
            return []
        case _:
            return [float(value)]


def refuse_constant(name: str) -> float:
    raise AssertionError(f"{name} in JSON")


def assert_json_is_finite(outcome: Outcome) -> None:
    text = outcome.model_dump_json()
    numbers = numbers_in(json.loads(text, parse_constant=refuse_constant))
    assert numbers
    assert all(math.isfinite(number) for number in numbers)
    assert Outcome.model_validate_json(text) == outcome


@pytest.mark.parametrize("kind", ["infonce", "supcon", "clop", "vicreg", "ce"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_a_learning_rate_that_overflows_ends_in_a_finite_record(
    kind: str, dtype: torch.dtype
) -> None:
    lr = OVERFLOWING_LR if dtype == torch.float32 else 1e250
    outcome = train_by_trial(make_cohort([make_member("a", lr=lr, kind=kind)]), dtype)["a"]
    assert outcome.regime is Regime.DIVERGED
    assert outcome.is_collapsed
    assert outcome.score == 0.0
    assert outcome.diverged_at_step == outcome.steps_done == 2
    assert outcome.decided_early
    assert outcome.measures == {}
    assert outcome.spectrum == ()
    assert outcome.initial["effective_rank"] > 2
    assert math.isfinite(outcome.initial["train_loss"])
    assert outcome.history.steps == (0,)
    assert_json_is_finite(outcome)


def test_every_step_until_the_last_finite_check_is_kept() -> None:
    # Weight decay multiplies each weight by about -1e4 a step: some finite checks, then overflow.
    cohort = make_cohort(
        [make_member("a", lr=1e5, kind="infonce")],
        train=TrainSettings(batch_size=64, steps=30, weight_decay=0.1, momentum=0.0),
        collapse=EVERY_STEP,
    )
    outcome = train_by_trial(cohort)["a"]
    assert outcome.regime is Regime.DIVERGED
    assert outcome.diverged_at_step is not None
    assert 3 < outcome.diverged_at_step < 30
    assert outcome.history.steps == tuple(range(outcome.diverged_at_step))
    assert all(len(v) == len(outcome.history.steps) for v in outcome.history.values.values())
    assert_json_is_finite(outcome)


def test_embeddings_that_are_not_finite_at_a_check_are_noticed_before_the_next_loss() -> None:
    outcome = train_by_trial(make_cohort([DIVERGING], collapse=EVERY_STEP))["diverging"]
    assert outcome.diverged_at_step == 1
    assert outcome.history.steps == (0,)
    assert_json_is_finite(outcome)


def test_divergence_in_the_last_step_is_not_early() -> None:
    train = TrainSettings(batch_size=64, steps=1)
    outcome = train_by_trial(make_cohort([DIVERGING], train=train))["diverging"]
    assert outcome.regime is Regime.DIVERGED
    assert not outcome.decided_early


@pytest.mark.parametrize("collapse", [EVERY_STEP, CollapseSettings(every_steps=5)], ids=repr)
def test_the_neighbours_of_a_diverged_member_go_on_unharmed(collapse: CollapseSettings) -> None:
    alone = train_by_trial(make_cohort([CALM], collapse=collapse))["calm"]
    together = train_by_trial(make_cohort([DIVERGING, CALM], collapse=collapse))
    assert together["calm"] == alone
    assert alone.diverged_at_step is None
    assert alone.steps_done == 10
    assert together["diverging"].regime is Regime.DIVERGED
    assert_json_is_finite(alone)


def test_an_audited_member_that_diverges_after_an_early_verdict_keeps_the_verdict() -> None:
    # Large weights collapse the rank at once; the decay then blows them up.
    cohort = make_cohort(
        [make_member("a", lr=1e5, audited=True, kind="infonce")],
        train=TrainSettings(batch_size=64, steps=30, weight_decay=0.1, momentum=0.0),
        collapse=CollapseSettings(every_steps=1, settle_checks=1, below=16.0, margin=0.0),
    )
    outcome = train_by_trial(cohort)["a"]
    assert outcome.regime is Regime.DIVERGED
    assert outcome.early_regime in (Regime.COMPLETE, Regime.DIMENSIONAL)
