"""Between conductor and Tune: every cohort handed out once, every result taken in, no Ray needed.

The real Tune is tried in tests/integration and tests/chaos.
"""

from pathlib import Path
from typing import Any

import pytest
from ray.tune.search import Searcher

from orchestrator.conductor import ATTEMPTS, Conductor
from orchestrator.ledger import Ledger
from orchestrator.record import TrialState
from orchestrator.tune import CohortSearch, LaneProgress
from tests.orchestrator.fabricated import fabricate, open_ledger, told
from trainer.cohort import Cohort
from trainer.outbox import Outbox


class Sweep:
    """A search over a real conductor and ledger, driven as Tune drives it."""

    def __init__(self, folder: Path) -> None:
        self.ledger: Ledger = open_ledger(folder)
        self.conductor = Conductor(self.ledger, Outbox(folder / "outbox"))
        self.progress: list[LaneProgress] = []
        self.search = CohortSearch(self.conductor, {"workers": 2}, self.progress.append)

    def suggest(self, trial_id: str) -> Cohort:
        """Return the cohort that Tune would be told to run."""
        config = self.search.suggest(trial_id)
        assert config["workers"] == 2
        return Cohort.model_validate_json(config["cohort"])


@pytest.fixture
def sweep(tmp_path: Path) -> Sweep:
    return Sweep(tmp_path)


def result_of(cohort: Cohort, keys: list[str], errors: list[str] | None = None) -> dict[str, Any]:
    return {
        "cohort_id": cohort.cohort_id,
        "member_steps_running": 7,
        "outcomes": [fabricate(key).model_dump_json() for key in keys],
        "errors": errors or [],
    }


def members_of(cohort: Cohort) -> list[str]:
    return [member.trial for member in cohort.members]


def test_tune_is_driven_to_the_end_of_the_study(sweep: Sweep) -> None:
    for number in range(50):
        if sweep.search.suggest(f"probe-{number}") == Searcher.FINISHED:
            break
        cohort = sweep.search._running[f"probe-{number}"]
        keys = members_of(cohort)
        assert sweep.search.suggest("too-early") is None
        sweep.search.on_trial_result(f"probe-{number}", result_of(cohort, keys[:1]))
        sweep.search.on_trial_complete(f"probe-{number}", result_of(cohort, keys[1:]))
    assert sweep.conductor.is_finished
    assert all(record.outcome == fabricate(record.key) for record in sweep.ledger.records())
    assert LaneProgress(cohort.cohort_id, 7) in sweep.progress


def test_outcomes_are_told_as_packs_finish_not_when_the_cohort_does(sweep: Sweep) -> None:
    cohort = sweep.suggest("a")
    first = members_of(cohort)[0]
    sweep.search.on_trial_result("a", result_of(cohort, [first]))
    assert told(sweep.ledger)[first] == fabricate(first)


def test_a_pack_that_raised_is_tried_again_and_its_error_kept_at_last(sweep: Sweep) -> None:
    for attempt in range(ATTEMPTS):
        cohort = sweep.suggest(f"try-{attempt}")
        bad, *good = members_of(cohort)
        done = good if attempt == 0 else []
        sweep.search.on_trial_complete(f"try-{attempt}", result_of(cohort, done, ["Oops: 12 GiB"]))
    assert told(sweep.ledger)[bad] == "Oops: 12 GiB"
    assert good == []  # only the bad one was tried again


def test_a_dead_lane_costs_a_retry_of_what_it_had_not_finished(sweep: Sweep) -> None:
    cohort = sweep.suggest("a")
    keys = members_of(cohort)
    sweep.search.on_trial_result("a", result_of(cohort, keys[:2]))
    sweep.search.on_trial_complete("a", error=True)
    assert sorted(members_of(sweep.suggest("b"))) == sorted(keys[2:])
    assert {r.state for r in sweep.ledger.records() if r.key in keys[2:]} == {TrialState.PENDING}
