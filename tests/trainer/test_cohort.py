"""Cohorts and outcomes cross process borders as JSON: nothing is lost, nothing odd comes in."""

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from tests.trainer.cohorts import make_cohort, make_member
from trainer.cohort import Cohort, History, Outcome
from trainer.collapse.regime import Regime
from trainer.settings import CollapseSettings, ModelSettings, TrainSettings

COHORT = make_cohort(
    [
        make_member("a", lr=0.1 + 0.2, seed=2**62, kind="clop", lambda_=1 / 3, label_fraction=0.1),
        make_member("b", lr=1e-17, kind="static_svr", radius=-0.25, audited=True),
    ],
    model=ModelSettings(encoder="mlp", hidden=(7, 5), head_hidden=(3,), embed_dim=12, norm="layer"),
    train=TrainSettings(optimizer="adam", weight_decay=1e-3),
    collapse=CollapseSettings(metric="stable_rank", settle_checks=0),
)


FINITE = st.floats(allow_nan=False, allow_infinity=False)
MEASURES = st.dictionaries(st.text(max_size=8), FINITE, max_size=3)


def make_outcome(regime: Regime = Regime.HEALTHY, score: float = 3.0) -> Outcome:
    return Outcome(
        trial="a",
        regime=regime,
        score=score,
        measures={"effective_rank": 3.0},
        initial={},
        spectrum=(1.0,),
        history=History(steps=(0,), values={"train_loss": (1 / 3,)}),
        steps_done=4,
        decided_early=False,
    )


def test_a_cohort_survives_the_queue_bit_by_bit() -> None:
    # By alias, as the lane sends it.
    assert Cohort.model_validate_json(COHORT.model_dump_json(by_alias=True)) == COHORT


def test_a_cohort_cannot_be_empty() -> None:
    with pytest.raises(ValidationError, match="at least 1 item"):
        make_cohort([])


def test_what_is_each_members_own_cannot_be_said_of_the_cohort() -> None:
    fields = dict(COHORT)
    assert Cohort.model_validate(fields | {"train": TrainSettings(steps=3)}).train.steps == 3
    with pytest.raises(ValidationError, match="weight decay, warm-up and schedule are each"):
        Cohort.model_validate(fields | {"train": TrainSettings(weight_decay=0.1)})


def test_unknown_keys_are_refused_at_every_level() -> None:
    for path in ((), ("data",), ("data", "augment"), ("model",), ("train",), ("members", 0)):
        fields = COHORT.model_dump(mode="json", by_alias=True)
        place: Any = fields
        for key in path:
            place = place[key]
        place["surprise"] = 1
        with pytest.raises(ValidationError, match="surprise"):
            Cohort.model_validate(fields)


@pytest.mark.parametrize(
    ("part", "field", "value"),
    [
        ("model", "hidden", (8, 0)),
        ("model", "embed_dim", 1),
        ("train", "batch_size", 1),
        ("train", "momentum", 1.0),
        ("train", "clip_norm", 0.0),
        ("train", "micro_batch_size", 0),
        ("collapse", "below", 1.0),
        ("collapse", "every_steps", 0),
        ("data", "test_fraction", 1.0),
    ],
)
def test_impossible_settings_are_refused(part: str, field: str, value: object) -> None:
    fields = COHORT.model_dump(by_alias=True)
    fields[part][field] = value
    with pytest.raises(ValidationError, match=field):
        Cohort.model_validate(fields)


def test_settings_cannot_be_changed_afterwards() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        COHORT.train.steps = 3


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_an_outcome_holds_finite_numbers_only(number: float) -> None:
    with pytest.raises(ValidationError, match="finite"):
        make_outcome(score=number)
    with pytest.raises(ValidationError, match="finite"):
        History(steps=(0,), values={"train_loss": (number,)})


@pytest.mark.parametrize("regime", Regime)
def test_what_counts_as_collapsed(regime: Regime) -> None:
    collapsed = {Regime.COMPLETE, Regime.DIMENSIONAL, Regime.DIVERGED}
    assert make_outcome(regime).is_collapsed == (regime in collapsed)


@settings(max_examples=40, deadline=None)
@given(score=FINITE, measures=MEASURES, losses=st.lists(FINITE, max_size=4), trial=st.text())
def test_an_outcome_survives_json_bit_by_bit(
    score: float, measures: dict[str, float], losses: list[float], trial: str
) -> None:
    outcome = make_outcome().model_copy(
        update={
            "trial": trial,
            "score": score,
            "measures": measures,
            "history": History(
                steps=tuple(range(len(losses))), values={"train_loss": tuple(losses)}
            ),
        }
    )
    again = Outcome.model_validate_json(outcome.model_dump_json())
    assert repr(again) == repr(outcome), "repr tells -0.0 from 0.0"
