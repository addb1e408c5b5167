"""Between conductor and Tune: every pack handed out once, every result taken in, no Ray needed.

The real Tune is tried in tests/integration and tests/chaos.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from ray.tune.search import Searcher

from orchestrator.conductor import ATTEMPTS, Conductor
from orchestrator.dealing import Hand
from orchestrator.hand_report import HandReport
from orchestrator.lane_plan import LanePlan
from orchestrator.ledger import Ledger
from orchestrator.record import TrialState
from orchestrator.tune import CohortSearch, Watcher
from tests.orchestrator.fabricated import fabricate, open_ledger, told
from trainer.cohort import Cohort
from trainer.lane_messages import LaneSettings, Message, PackDone, PackFailed, PackProgress
from trainer.loop import Progress
from trainer.outbox import Outbox

PLAN = LanePlan(lanes=2, workers=1, pack_members=2)


class Sweep:
    """A search over a real conductor and ledger, driven as Tune drives it."""

    def __init__(self, folder: Path) -> None:
        self.ledger: Ledger = open_ledger(folder)
        self.conductor = Conductor(self.ledger, Outbox(folder / "outbox"))
        self.conductor.deal_for(PLAN)
        self.steps: list[int] = []
        self.notices: list[str] = []
        self.settings = LaneSettings(1, 0.9, 0.0, folder, folder, folder, 60.0, 600.0)
        watcher = Watcher(self.steps.append, self.notices.append)
        self.search = CohortSearch(self.conductor, self.settings, watcher)

    def suggest(self, trial_id: str) -> Hand:
        """Return the packs that a lane would be told to train."""
        config = self.search.suggest(trial_id)
        assert config["settings"] == self.settings
        return tuple(Cohort.model_validate_json(text) for text in config["packs"])

    def drain(self, prefix: str) -> dict[str, Hand]:
        """Take every hand that is ready, by trial id."""
        hands: dict[str, Hand] = {}
        while isinstance(self.search.suggest(f"{prefix}-{len(hands)}"), dict):
            trial_id = f"{prefix}-{len(hands)}"
            hands[trial_id] = self.search._running[trial_id]
        return hands


@pytest.fixture
def sweep(tmp_path: Path) -> Sweep:
    return Sweep(tmp_path)


def members_of(packs: Sequence[Cohort]) -> list[str]:
    return [member.trial for pack in packs for member in pack.members]


def packs_of(hands: dict[str, Hand]) -> Hand:
    return tuple(pack for hand in hands.values() for pack in hand)


def done(pack: Cohort) -> PackDone:
    return PackDone(pack.cohort_id, [fabricate(key) for key in members_of([pack])])


def result_of(hand: Hand, *messages: Message) -> dict[str, Any]:
    report = HandReport(hand)
    report.note(messages)
    return report.take()


def test_tune_is_driven_to_the_end_of_the_study(sweep: Sweep) -> None:
    for number in range(50):
        hands = sweep.drain(f"round-{number}")
        if not hands:
            break
        for trial_id, hand in hands.items():
            first, *rest = hand
            sweep.search.on_trial_result(trial_id, result_of(hand, done(first)))
            result = result_of(hand, done(first), *[done(pack) for pack in rest])
            sweep.search.on_trial_complete(trial_id, result)
    assert sweep.search.suggest("one-more") == Searcher.FINISHED
    assert all(record.outcome == fabricate(record.key) for record in sweep.ledger.records())


def test_outcomes_are_told_as_packs_finish_not_when_the_hand_does(sweep: Sweep) -> None:
    hand = sweep.suggest("a")
    sweep.search.on_trial_result("a", result_of(hand, done(hand[0])))
    for key in members_of(hand[:1]):
        assert told(sweep.ledger)[key] == fabricate(key)


def test_the_steps_of_all_lanes_are_added_up(sweep: Sweep) -> None:
    for trial_id, steps in (("a", 5), ("b", 7)):
        hand = sweep.suggest(trial_id)
        progress = PackProgress(hand[0].cohort_id, Progress(1, 2, steps), is_start=False)
        sweep.search.on_trial_result(trial_id, result_of(hand, progress))
    assert sweep.steps == [5, 12]


def test_a_pack_that_goes_on_from_a_checkpoint_is_noticed(sweep: Sweep) -> None:
    hand = sweep.suggest("a")
    name = hand[0].cohort_id
    fresh = PackProgress(name, Progress(0, 2, 0), is_start=True)
    again = PackProgress(name, Progress(40, 2, 80), is_start=True)
    later = PackProgress(name, Progress(60, 2, 120), is_start=False)
    sweep.search.on_trial_result("a", result_of(hand, fresh, again, later))
    assert sweep.notices == [f"pack {name} goes on at step 40"]


def test_a_pack_that_raised_is_tried_again_and_its_error_kept_at_last(sweep: Sweep) -> None:
    bad, *_ = sweep.suggest("try-0")
    rest = sweep.search._running["try-0"][1:]
    failed = PackFailed(bad.cohort_id, "Oops: 12 GiB")
    hand: Hand = (bad, *rest)
    sweep.search.on_trial_complete("try-0", result_of(hand, failed, *[done(p) for p in rest]))
    sweep.drain("others")
    for attempt in range(1, ATTEMPTS):
        (trial_id,) = [t for t, hand in sweep.search._running.items() if bad in hand]
        assert sweep.search._running[trial_id] == (bad,)
        sweep.search.on_trial_complete(trial_id, result_of((bad,), failed))
        sweep.drain(f"try-{attempt}")
    assert {told(sweep.ledger)[key] for key in members_of([bad])} == {"Oops: 12 GiB"}


def test_a_dead_driver_costs_a_retry_of_the_packs_it_had_not_finished(sweep: Sweep) -> None:
    hand = sweep.suggest("a")
    sweep.drain("other-lanes")
    sweep.search.on_trial_result("a", result_of(hand, done(hand[0])))
    sweep.search.on_trial_complete("a", error=True)
    assert packs_of(sweep.drain("again")) == hand[1:]
    states = {r.key: r.state for r in sweep.ledger.records()}
    assert {states[key] for key in members_of(hand[1:])} == {TrialState.PENDING}
    assert sweep.notices == ["a lane died and is started anew"]


def lost(hand: Hand, at_work: Sequence[Cohort]) -> dict[str, Any]:
    report = HandReport(hand)
    report.note_lost({pack.cohort_id for pack in at_work}, "the worker group ended")
    return report.take()


def test_a_lost_worker_group_is_an_attempt_of_the_packs_at_work_only(sweep: Sweep) -> None:
    hand = sweep.suggest("try-0")
    first, *others = hand
    sweep.drain("other-lanes")
    for attempt in range(ATTEMPTS):
        result = lost(hand, [first]) if attempt == 0 else lost((first,), [first])
        assert result["done"]
        sweep.search.on_trial_complete(f"try-{attempt}", result)
        if attempt == 0:
            assert packs_of(sweep.drain("again")) == (*others, first)
            (trial_id,) = [t for t, hand in sweep.search._running.items() if first in hand]
            assert sweep.search._running[trial_id] == (first,)
            sweep.search._running["try-1"] = sweep.search._running.pop(trial_id)
        elif attempt + 1 < ATTEMPTS:
            assert sweep.suggest(f"try-{attempt + 1}") == (first,)
    now = told(sweep.ledger)
    assert {now[key] for key in members_of([first])} == {"the worker group ended"}
    assert {now[key] for key in members_of(others)} == {None}


def test_a_pack_that_gets_on_is_not_given_up_however_often_its_lane_is_lost(sweep: Sweep) -> None:
    pack, *_ = sweep.suggest("try-0")
    sweep.drain("others")
    for attempt in range(2 * ATTEMPTS):
        trial_id = next(t for t, hand in sweep.search._running.items() if pack in hand)
        began = PackProgress(pack.cohort_id, Progress(attempt, 2, 2 * attempt), is_start=True)
        hand = sweep.search._running[trial_id]
        sweep.search.on_trial_result(trial_id, result_of(hand, began))
        sweep.search.on_trial_complete(trial_id, error=True)
        sweep.drain(f"again-{attempt}")
    assert {told(sweep.ledger)[key] for key in members_of([pack])} == {None}


def test_a_group_that_never_began_is_an_attempt_of_all_so_that_it_ends(sweep: Sweep) -> None:
    hand = sweep.suggest("a")
    assert dict(lost(hand, [])["lost"]).keys() == {pack.cohort_id for pack in hand}
