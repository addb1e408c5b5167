"""Keeps MLflow in step from a thread of the driver, so that a sweep never waits for it."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from orchestrator.errors import TrackingError
from orchestrator.machine_load import LoadSampler
from orchestrator.mlflow_overview import StudyStatus
from orchestrator.mlflow_view import milliseconds
from orchestrator.record import Provenance, TrialRecord
from orchestrator.tracking import Extras, SyncReport, Tracker
from search_spaces.study import Study


@dataclass(frozen=True, slots=True)
class TrackingSummary:
    """How tracking went.

    Attributes:
        report: The last sync's report; None if it failed.
        warning: What the user should know; None if every sync succeeded.
    """

    report: SyncReport | None
    warning: str | None


@dataclass(frozen=True, slots=True)
class _Request:
    records: Sequence[TrialRecord]
    artifacts: Sequence[Path] = ()
    status: StudyStatus = StudyStatus.RUNNING
    answer: str = ""
    is_last: bool = False


class BackgroundTracker:
    """Syncs the latest records it was given; those it had no time for are superseded.

    The thread is a daemon: a hanging MLflow cannot keep the process alive. Call
    :meth:`finish` exactly once.

    Args:
        sampler: Samples the machine's load from the first sync on; None samples nothing.
    """

    def __init__(
        self,
        tracker: Tracker,
        study: Study,
        provenance: Provenance,
        sampler: LoadSampler | None = None,
    ) -> None:
        self._tracker, self._study, self._provenance = tracker, study, provenance
        self._sampler = sampler
        self._changed = threading.Condition()
        self._waiting: _Request | None = None
        self._failures: list[str] = []
        self._report: SyncReport | None = None
        self._thread = threading.Thread(target=self._run, name="mlflow-sync", daemon=True)
        self._thread.start()

    def poke(self, records: Sequence[TrialRecord]) -> None:
        """Ask for a sync of these records and return at once."""
        self._put(_Request(tuple(records)))

    def finish(
        self,
        records: Sequence[TrialRecord],
        status: StudyStatus,
        artifacts: Sequence[Path] = (),
        answer: str = "",
    ) -> TrackingSummary:
        """Sync a last time, wait for it, and say how it went. Never raises TrackingError."""
        if self._sampler is not None:
            self._sampler.stop()
        self._put(_Request(tuple(records), tuple(artifacts), status, answer, is_last=True))
        self._thread.join()
        return TrackingSummary(self._report, self._describe_failures())

    def _put(self, request: _Request) -> None:
        with self._changed:
            self._waiting = request
            self._changed.notify()

    def _take(self) -> _Request:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting is not None)
            request, self._waiting = self._waiting, None
        assert request is not None
        return request

    def _run(self) -> None:
        while True:
            request = self._take()
            self._sync(request)
            if request.is_last:
                return

    def _sync(self, request: _Request) -> None:
        self._report = None
        if not request.records and not request.is_last:
            return
        load = () if self._sampler is None else self._sampler.points()
        try:
            self._report = self._tracker.sync(
                self._study,
                request.records,
                self._provenance,
                request.artifacts,
                request.status,
                Extras(request.answer, load),
            )
            if self._sampler is not None and not request.is_last:
                # Not before: two threads must not import MLflow at the same time.
                self._sampler.start(milliseconds(request.records[0].asked_at))
            if self._sampler is not None:
                self._sampler.drop(load)
        except TrackingError as error:
            self._failures.append(str(error))
        except Exception as error:  # a bug of ours must not vanish with the thread
            self._failures.append(f"{type(error).__name__} while tracking: {error}")

    def _describe_failures(self) -> str | None:
        if not self._failures:
            return None
        times = len(self._failures)
        ending = "" if self._report is None else "; the last sync succeeded, so nothing is missing"
        return f"{self._failures[-1]} [{times} failed sync{'s' if times > 1 else ''}{ending}]"
