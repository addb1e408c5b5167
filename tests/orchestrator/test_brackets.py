"""Brackets of Hyperband are Optuna's, and so are the trials that they end."""

import math
import random

import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.brackets import ASHA, HYPERBAND_FACTOR, Bracket, draw_bracket, share_trials
from orchestrator.pruning import find_bound

NAME = "halved"


def open_at_optuna(checks: int) -> tuple[optuna.Study, optuna.pruners.HyperbandPruner]:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    pruner = optuna.pruners.HyperbandPruner(
        min_resource=1, max_resource=checks, reduction_factor=HYPERBAND_FACTOR
    )
    study = optuna.create_study(study_name=NAME, direction="minimize", pruner=pruner)
    pruner._try_initialization(study)
    return study, pruner


def test_shares_and_brackets_are_those_of_optuna() -> None:
    for checks in (1, 2, 3, 8, 9, 10, 26, 27, 40, 100, 728, 730):
        study, pruner = open_at_optuna(checks)
        assert list(share_trials(checks)) == pruner._trial_allocation_budgets
        for number in range(60):
            trial = optuna.trial.create_trial(value=0.0)
            trial.number = number
            assert draw_bracket(NAME, number, checks) == pruner._get_bracket_id(study, trial)


def test_a_power_of_three_is_counted_without_rounding() -> None:
    # Optuna's floor(log(243) / log(3)) is 4, for want of a last bit: a bracket less.
    assert math.log(243, 3) < 5
    assert len(share_trials(242)) == 5
    assert len(share_trials(243)) == len(share_trials(244)) == 6


@pytest.mark.parametrize("checks", [1, 5, 20, 81])
def test_every_bracket_gets_its_share_of_many_trials(checks: int) -> None:
    shares = share_trials(checks)
    drawn = [draw_bracket(NAME, number, checks) for number in range(3000)]
    assert set(drawn) == set(range(len(shares)))
    for bracket, share in enumerate(shares):
        assert drawn.count(bracket) / 3000 == pytest.approx(share / sum(shares), abs=0.05)


def test_rungs_start_later_from_bracket_to_bracket() -> None:
    assert [ASHA.check_at(rung) for rung in range(3)] == [1, 4, 16]
    assert [Bracket(3, first=1).check_at(rung) for rung in range(3)] == [3, 9, 27]


def end_by_optuna(study: optuna.Study, losses: list[float]) -> int | None:
    """Train a trial as Optuna's users do; return the check that it ended at, if it was ended."""
    trial = study.ask()
    for check, loss in enumerate(losses, start=1):
        trial.report(loss, step=check)
        if trial.should_prune():
            study.tell(trial, state=optuna.trial.TrialState.PRUNED)
            return check
    study.tell(trial, losses[-1])
    return None


def end_by_bounds(
    losses: list[float], peers: list[tuple[list[float], int | None]], bracket: Bracket
) -> int | None:
    """Return the check that our bounds end a trial at, by the peers' losses until they ended."""
    for rung in range(5):
        check = bracket.check_at(rung)
        if check > len(losses):
            break
        others = [own[check - 1] for own, end in peers if end is None or end >= check]
        if others and losses[check - 1] > find_bound(others, rung, "minimize", bracket):
            return check
    return None


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 2**16), checks=st.sampled_from([4, 9, 12, 30]))
def test_trial_after_trial_the_same_end_at_the_same_check_as_with_optuna(
    seed: int, checks: int
) -> None:
    study, _ = open_at_optuna(checks)
    draw = random.Random(seed)
    trained: list[tuple[int, list[float], int | None]] = []
    for number in range(30):
        losses = [draw.random() + draw.random() / check for check in range(1, checks + 1)]
        first = draw_bracket(NAME, number, checks)
        peers = [(own, end) for other, own, end in trained if other == first]
        ended = end_by_optuna(study, losses)
        assert end_by_bounds(losses, peers, Bracket(HYPERBAND_FACTOR, first)) == ended
        trained.append((first, losses, ended))
    assert any(end is not None for *_, end in trained)
