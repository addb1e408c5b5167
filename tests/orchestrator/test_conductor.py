"""The conductor: whatever comes when, whatever is killed, the same trials and outcomes."""

import random
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.conductor import ATTEMPTS, Conductor
from orchestrator.lane_plan import LanePlan
from orchestrator.ledger import Ledger
from orchestrator.record import TrialState
from tests.orchestrator.fabricated import fabricate, make_tiny, open_ledger, told, undated
from trainer.cohort import Cohort
from trainer.outbox import Outbox


class KilledError(Exception):
    """The process of the test's sweep is gone."""


def conduct(folder: Path, *overrides: str) -> tuple[Conductor, Ledger, Outbox]:
    """Open a sweep as a new process would."""
    ledger, outbox = open_ledger(folder, *overrides), Outbox(folder / "outbox")
    return Conductor(ledger, outbox), ledger, outbox


def drain(conductor: Conductor) -> list[Cohort]:
    """Take every pack that is ready."""
    return [pack for hand in iter(conductor.next_hand, None) for pack in hand]


def keys_of(cohorts: Sequence[Cohort]) -> list[str]:
    return [member.trial for cohort in cohorts for member in cohort.members]


def run_to_end(
    folder: Path, seed: int, *, die_after: int | None = None, die_before_ledger: bool = False
) -> Ledger:
    """Run a sweep whose outcomes arrive in a random order and grouping.

    Args:
        folder: The study's folder.
        seed: Of the order and the grouping.
        die_after: Raise KilledError once so many outcomes of this process were told.
        die_before_ledger: Whether the next outcomes are on disk by then.
    """
    conductor, ledger, outbox = conduct(folder)
    draw, count = random.Random(seed), 0
    while not conductor.is_finished:
        waiting = keys_of(drain(conductor))
        draw.shuffle(waiting)
        while waiting:
            size = draw.randint(1, len(waiting))
            group, waiting = waiting[:size], waiting[size:]
            if die_after is not None and count >= die_after:
                if die_before_ledger:
                    outbox.put("unheard", [fabricate(key) for key in group])
                raise KilledError
            outbox.put(f"pack-{count}", [fabricate(key) for key in group])
            conductor.take([fabricate(key) for key in group])
            count += size
    return ledger


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> Ledger:
    """The sweep that nothing disturbed."""
    return run_to_end(tmp_path_factory.mktemp("plain"), seed=0)


def test_a_study_runs_round_by_round_to_its_end(uninterrupted: Ledger) -> None:
    records = uninterrupted.records()
    assert len(uninterrupted.rounds) > 3
    assert 15 <= len(records) <= make_tiny().budget.trials
    assert all(r.outcome == fabricate(r.key) for r in records)
    assert len({r.key for r in records}) == len(records)


@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 2**16))
def test_no_order_and_no_grouping_of_arrival_changes_a_round_or_an_outcome(
    seed: int, uninterrupted: Ledger, tmp_path_factory: pytest.TempPathFactory
) -> None:
    ledger = run_to_end(tmp_path_factory.mktemp("order"), seed)
    assert ledger.rounds == uninterrupted.rounds
    assert undated(ledger) == undated(uninterrupted)


@settings(max_examples=12, deadline=None)
@given(
    seed=st.integers(0, 2**16),
    deaths=st.lists(st.tuples(st.integers(0, 24), st.booleans()), min_size=1, max_size=4),
)
def test_a_sweep_killed_again_and_again_ends_as_if_nothing_had_happened(
    seed: int,
    deaths: list[tuple[int, bool]],
    uninterrupted: Ledger,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder = tmp_path_factory.mktemp("killed")
    for number, (after, is_on_disk) in enumerate(deaths):
        try:
            run_to_end(folder, seed + number, die_after=after, die_before_ledger=is_on_disk)
        except KilledError:
            continue
    ledger = run_to_end(folder, seed)
    assert ledger.rounds == uninterrupted.rounds
    assert undated(ledger) == undated(uninterrupted)
    assert list((folder / "outbox").iterdir()) == []


def test_what_a_killed_sweep_left_in_the_outbox_is_told_and_not_trained_again(
    tmp_path: Path,
) -> None:
    conductor, _, outbox = conduct(tmp_path)
    asked = keys_of(drain(conductor))
    outbox.put("pack", [fabricate(key) for key in asked[:3]])
    resumed, ledger, _ = conduct(tmp_path)
    assert sorted(keys_of(drain(resumed))) == sorted(asked[3:])
    assert {key: told(ledger)[key] for key in asked[:3]} == {k: fabricate(k) for k in asked[:3]}
    assert outbox.waiting() == []


def test_outcomes_of_trials_that_were_never_asked_are_left_out(tmp_path: Path) -> None:
    conductor, ledger, outbox = conduct(tmp_path)
    asked = keys_of(drain(conductor))
    stranger = fabricate('{"lr":55.5,"objective.kind":"infonce"}#0')
    conductor.take([stranger])
    outbox.put("stranger", [stranger])
    resumed, again, _ = conduct(tmp_path)
    assert sorted(keys_of(drain(resumed))) == sorted(asked)
    assert stranger.trial not in told(ledger).keys() | told(again).keys()


def test_a_finished_study_has_nothing_to_do_when_it_is_opened_again(tmp_path: Path) -> None:
    run_to_end(tmp_path, seed=0)
    content = (tmp_path / "ledger.journal").read_bytes()
    conductor, _, _ = conduct(tmp_path)
    assert conductor.is_finished
    assert conductor.next_hand() is None
    assert (tmp_path / "ledger.journal").read_bytes() == content


def test_a_raised_budget_goes_on_from_where_the_smaller_one_ended(tmp_path: Path) -> None:
    conductor, ledger, _ = conduct(tmp_path, "budget.trials=12")
    while not conductor.is_finished:
        conductor.take([fabricate(key) for key in keys_of(drain(conductor))])
    assert len(ledger.records()) == 12
    assert {r.key for r in run_to_end(tmp_path, seed=0).records()} >= set(told(ledger))


def test_a_failing_trial_is_tried_three_times_and_then_missing_while_the_rest_goes_on(
    tmp_path: Path,
) -> None:
    conductor, ledger, _ = conduct(tmp_path)
    bad = min(keys_of(drain(conduct(tmp_path)[0])))
    tries = 0
    while not conductor.is_finished:
        for cohort in drain(conductor):
            keys = keys_of([cohort])
            conductor.take([fabricate(key) for key in keys if key != bad])
            if bad in keys:
                tries += 1
            conductor.fail(keys, f"try {tries} failed")
    states = {r.key: r.state for r in ledger.records()}
    assert tries == ATTEMPTS == 3
    assert told(ledger)[bad] == "try 3 failed"
    assert states.pop(bad) is TrialState.MISSING
    assert set(states.values()) == {TrialState.FINISHED}
    assert conductor.standing().trials_missing == 1
    assert conductor.standing().trials_finished == len(states)


def test_a_missing_trial_is_tried_again_by_the_same_command_and_healed(tmp_path: Path) -> None:
    conductor, ledger, _ = conduct(tmp_path)
    bad = min(keys_of(drain(conduct(tmp_path)[0])))
    while not conductor.is_finished:
        keys = keys_of(drain(conductor))
        conductor.take([fabricate(key) for key in keys if key != bad])
        conductor.fail(keys, "a lost node")
    assert told(ledger)[bad] == "a lost node"
    resumed, again, _ = conduct(tmp_path)
    assert keys_of(drain(resumed)) == [bad]
    resumed.take([fabricate(bad)])
    while not resumed.is_finished:
        resumed.take([fabricate(key) for key in keys_of(drain(resumed))])
    assert all(r.outcome == fabricate(r.key) for r in again.records())


@pytest.mark.parametrize("planner", ["bisect", "grid", "qmc"])
def test_a_study_whose_every_trial_fails_ends_within_its_budget(
    planner: str, tmp_path: Path
) -> None:
    conductor, ledger, _ = conduct(tmp_path, f"planner={planner}", "budget.trials=9")
    for _ in range(200):
        for cohort in drain(conductor):
            conductor.fail(keys_of([cohort]), "no GPU")
    assert conductor.is_finished
    records = ledger.records()
    assert {r.state for r in records} == {TrialState.MISSING}
    assert 1 <= len(records) <= 9


def test_a_failure_that_comes_after_the_outcome_changes_nothing(tmp_path: Path) -> None:
    conductor, ledger, _ = conduct(tmp_path)
    keys = keys_of(drain(conductor))
    conductor.take([fabricate(key) for key in keys])
    next_round = keys_of(drain(conductor))
    for _ in range(ATTEMPTS):
        conductor.fail(keys, "the lane died")
    assert drain(conductor) == []
    assert all(told(ledger)[key] == fabricate(key) for key in keys)
    assert all(told(ledger)[key] is None for key in next_round)


def test_outcomes_on_disk_that_nobody_heard_of_are_not_trained_again_when_the_lane_dies(
    tmp_path: Path,
) -> None:
    conductor, ledger, outbox = conduct(tmp_path)
    keys = keys_of(drain(conductor))
    outbox.put("pack", [fabricate(key) for key in keys[:4]])
    conductor.fail(keys, "the lane died")
    assert sorted(keys_of(drain(conductor))) == sorted(keys[4:])
    assert all(told(ledger)[key] == fabricate(key) for key in keys[:4])


def test_whoever_watches_is_told_of_every_change(tmp_path: Path) -> None:
    ledger, seen = open_ledger(tmp_path), list[int]()

    def count() -> None:
        seen.append(sum(outcome is not None for outcome in told(ledger).values()))

    conductor = Conductor(ledger, Outbox(tmp_path / "outbox"), count)
    keys = keys_of(drain(conductor))
    conductor.take([fabricate(keys[0])])
    conductor.take([fabricate(key) for key in keys[1:3]])
    assert seen == [1, 3]
    assert conductor.standing().trials_asked == len(keys)
    assert conductor.standing().trials_budget == 30


def test_a_retried_pack_has_the_members_it_had_so_that_its_checkpoint_is_found(
    tmp_path: Path,
) -> None:
    plan = LanePlan(lanes=1, workers=2, pack_members=2)
    conductor, _, _ = conduct(tmp_path)
    conductor.deal_for(plan)
    packs = drain(conductor)
    done, failed, *others = packs
    conductor.take([fabricate(key) for key in keys_of([done])])
    conductor.fail(keys_of([failed]), "the lane died")
    assert drain(conductor) == [failed]
    conductor.put_back(keys_of(others))
    assert drain(conductor) == others
    resumed, _, _ = conduct(tmp_path)
    resumed.deal_for(plan)
    assert drain(resumed) == [failed, *others]


def test_trials_whose_lane_died_before_it_came_to_them_lose_no_attempt(tmp_path: Path) -> None:
    conductor, ledger, _ = conduct(tmp_path)
    keys = keys_of(drain(conductor))
    for _ in range(2 * ATTEMPTS):
        conductor.put_back(keys)
        assert sorted(keys_of(drain(conductor))) == sorted(keys)
    assert all(told(ledger)[key] is None for key in keys)


def test_every_lane_gets_its_share_of_a_round(tmp_path: Path) -> None:
    conductor, _, _ = conduct(tmp_path)
    asked = keys_of(drain(conductor))
    conductor.deal_for(LanePlan(lanes=2, workers=2, pack_members=16))
    hands = list(iter(conductor.next_hand, None))
    assert [len(hand) for hand in hands] == [2, 2]
    assert sorted(key for hand in hands for key in keys_of(hand)) == sorted(asked)
