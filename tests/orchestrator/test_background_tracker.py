"""BackgroundTracker: the sweep never waits, the last sync always happens, no failure is lost.

The tracker is scripted here, because only a scripted one can stall and fail at a given sync;
the real one is tried in test_tracking.py and tests/integration/test_mlflow_server.py.
"""

import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from orchestrator.background_tracker import BackgroundTracker
from orchestrator.errors import TrackingError
from orchestrator.mlflow_overview import StudyStatus
from orchestrator.record import Provenance, TrialRecord
from orchestrator.tracking import Extras, SyncReport, Tracker
from search_spaces.study import Study
from tests.orchestrator.report.builder import PROVENANCE, make_records, make_study

STUDY = make_study()
RECORDS = make_records(STUDY)[:5]


class ScriptedTracker(Tracker):
    """Notes what it is asked for; waits for ``gate``; raises the next of ``errors``."""

    def __init__(self, errors: Sequence[Exception | None] = ()) -> None:
        super().__init__("sqlite:///never-opened.db", None)
        self.calls: list[tuple[int, StudyStatus, int]] = []
        self.entered, self.gate = threading.Event(), threading.Event()
        self.gate.set()
        self._errors = list(errors)

    def sync(
        self,
        study: Study,
        records: Sequence[TrialRecord],
        provenance: Provenance,
        artifacts: Sequence[Path] = (),
        status: StudyStatus = StudyStatus.RUNNING,
        extras: Extras | None = None,
    ) -> SyncReport:
        assert study is STUDY
        assert provenance is PROVENANCE
        self.calls.append((len(records), status, len(artifacts)))
        self.entered.set()
        assert self.gate.wait(60)
        error = self._errors.pop(0) if self._errors else None
        if error is not None:
            raise error
        return SyncReport("1", "run", len(records), 0, 0.0, None)


def test_pokes_return_at_once_and_only_the_latest_records_are_synced() -> None:
    tracker = ScriptedTracker()
    tracker.gate.clear()
    background = BackgroundTracker(tracker, STUDY, PROVENANCE)
    background.poke(RECORDS[:1])
    assert tracker.entered.wait(60)
    for told in (2, 3, 4):  # the first sync still stands at the gate
        background.poke(RECORDS[:told])
    tracker.gate.set()
    summary = background.finish(RECORDS, StudyStatus.FINISHED, [Path("report.html")])

    assert tracker.calls[0] == (1, StudyStatus.RUNNING, 0)
    assert tracker.calls[-1] == (5, StudyStatus.FINISHED, 1)
    assert all(call in ((4, StudyStatus.RUNNING, 0),) for call in tracker.calls[1:-1])
    assert summary.warning is None
    assert summary.report is not None
    assert summary.report.written == 5


def test_a_failure_that_the_last_sync_made_good_is_told_as_such() -> None:
    tracker = ScriptedTracker([TrackingError("server away")])
    background = BackgroundTracker(tracker, STUDY, PROVENANCE)
    background.poke(RECORDS[:1])
    assert tracker.entered.wait(60)
    summary = background.finish(RECORDS, StudyStatus.FINISHED)
    assert summary.report is not None
    assert summary.warning == (
        "server away [1 failed sync; the last sync succeeded, so nothing is missing]"
    )


@pytest.mark.parametrize(
    ("error", "warning"),
    [
        (TrackingError("server away"), "server away [1 failed sync]"),
        (KeyError("bug"), "KeyError while tracking: 'bug' [1 failed sync]"),
    ],
)
def test_a_failed_last_sync_is_a_warning_and_no_exception(error: Exception, warning: str) -> None:
    background = BackgroundTracker(ScriptedTracker([error]), STUDY, PROVENANCE)
    summary = background.finish(RECORDS, StudyStatus.KILLED)
    assert (summary.report, summary.warning) == (None, warning)


def test_a_poke_before_the_first_trial_does_not_bother_mlflow() -> None:
    tracker = ScriptedTracker()
    background = BackgroundTracker(tracker, STUDY, PROVENANCE)
    background.poke([])
    background.finish(RECORDS, StudyStatus.FINISHED)
    assert tracker.calls == [(5, StudyStatus.FINISHED, 0)]
