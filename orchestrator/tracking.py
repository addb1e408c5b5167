"""Writes a study into MLflow as a view of the ledger: idempotent, may lag, can be made again.

One experiment per study name, one parent run per study digest (and ledger), one child run per
trial that finished or went missing. A child is created with its trial's key and the digest of
its content, filled, and ended last, so that a sync may be killed anywhere: the next one finds a
RUNNING child and fills it again. MLflow drops a metric point that it has already, because time
stamps come from the ledger and not from the clock.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from orchestrator.dataset_view import DatasetView, view_datasets
from orchestrator.errors import TrackingError
from orchestrator.mlflow_columns import link_trials, tag_experiment
from orchestrator.mlflow_overview import NOTE, Overview, StudyStatus, view_study
from orchestrator.mlflow_runs import EXPERIMENT_PREFIX, FoundRun, MlflowRuns
from orchestrator.mlflow_store import Store, hold_store
from orchestrator.mlflow_view import MetricPoint, RunView, tag_provenance, view_trial
from orchestrator.record import Provenance, TrialRecord, TrialState
from search_spaces.study import Study

PARENT = "mlflow.parentRunId"
TRIAL_KEY = "rankfall.trial_key"
CONTENT = "rankfall.content"
MAP_PICTURE = "collapse_map.png"
"""The artifact that the note shows."""


@dataclass(frozen=True, slots=True)
class SyncReport:
    """What a sync did.

    Attributes:
        written: Child runs created, completed or replaced.
        unchanged: Child runs that were up to date.
        url: Page of the parent run when the store is a server.
    """

    experiment_id: str
    run_id: str
    written: int
    unchanged: int
    seconds: float
    url: str | None


@dataclass(frozen=True, slots=True)
class Extras:
    """What a sync shows besides the ledger's records.

    Attributes:
        answer: Markdown for the parent's note.
        load: How busy the driver's machine was; points that are there already are dropped.
    """

    answer: str = ""
    load: Sequence[MetricPoint] = ()


@dataclass(slots=True)
class _Parent:
    """The parent run, and what of every child is known to be up to date, by trial key.

    ``contents``: its content's digest. ``records``: the record it was written from; a ledger
    hands out the same object until the trial changes, so most need no look at all.
    """

    experiment_id: str
    run_id: str
    contents: dict[str, str]
    records: dict[str, TrialRecord]


class Tracker:
    """Keeps one MLflow store in step with ledgers. Not thread-safe.

    Args:
        uri: See :class:`orchestrator.mlflow_store.Store`.
        artifact_root: Folder for artifacts of a database store; None lets MLflow decide.
        ledger_id: Tells ledgers of the same study apart (two people, one server). Without it
            all ledgers of a study share one parent run.

    Raises:
        TrackingError: If the URI is not supported.
    """

    def __init__(self, uri: str, artifact_root: Path | None, ledger_id: str = "any") -> None:
        self._store = Store(uri, artifact_root)
        self._ledger_id = ledger_id
        self._runs: MlflowRuns | None = None
        self._parents: dict[str, _Parent] = {}

    def sync(
        self,
        study: Study,
        records: Sequence[TrialRecord],
        provenance: Provenance,
        artifacts: Sequence[Path] = (),
        status: StudyStatus = StudyStatus.RUNNING,
        extras: Extras | None = None,
    ) -> SyncReport:
        """Bring the study's runs in step with all its records.

        Args:
            records: Every record of the ledger; pending ones are only counted.
            artifacts: Files to show with the parent run; one of the same name is replaced.
            status: Where the study stands; the parent run takes it over.
            extras: What the ledger does not hold.

        Raises:
            TrackingError: If anything at all goes wrong; the next sync starts afresh.
        """
        if not records:
            raise TrackingError(f"study {study.name} has no trials yet: nothing to show in MLflow")
        began = time.monotonic()
        told = [record for record in records if record.state is not TrialState.PENDING]
        known = self._parents[study.digest].records if study.digest in self._parents else {}
        changed = [record for record in told if known.get(record.key) is not record]
        views = {record.key: view_trial(study, record) for record in changed}
        extras = extras or Extras()
        overview = view_study(study, records, provenance, status, extras.answer)
        # Not under the lock: the first look at the data takes a second.
        datasets = [] if study.digest in self._parents else view_datasets(study)
        with self._forgetting_on_error(), hold_store(self._store):
            runs = self._runs = self._runs or MlflowRuns(self._store)
            parent = self._open_parent(runs, study, overview, datasets)
            written = _write_children(runs, parent, views, tag_provenance(provenance))
            parent.records |= {record.key: record for record in changed}
            note = _complete_note(parent, study, overview, artifacts)
            tags = {**overview.tags, NOTE: note}
            runs.log(parent.run_id, {}, tags, (*overview.metrics, *extras.load))
            _conclude(runs, parent, overview, artifacts, status)
        return SyncReport(
            experiment_id=parent.experiment_id,
            run_id=parent.run_id,
            written=written,
            unchanged=len(told) - written,
            seconds=time.monotonic() - began,
            url=self._store.page(parent.experiment_id, parent.run_id),
        )

    def _open_parent(
        self,
        runs: MlflowRuns,
        study: Study,
        overview: Overview,
        datasets: Sequence[DatasetView],
    ) -> _Parent:
        """Return the parent run: one search per process, then from memory."""
        if study.digest in self._parents:
            return self._parents[study.digest]
        experiment_id = runs.open_experiment(
            EXPERIMENT_PREFIX + study.name, self._store.artifact_location(study.name)
        )
        runs.describe_experiment(experiment_id, tag_experiment(study, experiment_id))
        identity = _identify(study, self._ledger_id)
        found = min(
            runs.search(experiment_id, identity),
            key=lambda run: (run.start, run.run_id),
            default=None,
        )
        if found is None:
            tags = {**overview.tags, **identity}
            run_id = runs.create(experiment_id, overview.name, overview.start, tags)
        else:
            run_id = found.run_id
        known = found.params if found else {}
        runs.log(run_id, {k: v for k, v in overview.params.items() if k not in known}, {}, ())
        runs.add_inputs(run_id, datasets)
        runs.attach_text(run_id, study.source_text, "study.yaml")
        return self._parents.setdefault(study.digest, _Parent(experiment_id, run_id, {}, {}))

    @contextmanager
    def _forgetting_on_error(self) -> Iterator[None]:
        """Forget what was known of the store when it fails: the next sync looks again."""
        try:
            with translating_errors(self._store):
                yield
        except TrackingError:
            self._runs = None
            self._parents.clear()
            raise


@contextmanager
def translating_errors(store: Store) -> Iterator[None]:
    """Turn whatever comes out of MLflow into a TrackingError.

    MLflow lets errors of SQLAlchemy, Alembic, requests and the file system through; a view
    that fails must never stop a sweep, so nothing is let past here.
    """
    try:
        yield
    except TrackingError:
        raise
    except Exception as error:
        text = str(error).strip() or "no message"
        cause = text.splitlines()[0][:300].replace(store.uri, store.redacted)
        raise TrackingError(
            f"MLflow at {store.redacted} could not be written ({type(error).__name__}: "
            f"{cause}); the ledger has every outcome, 'rankfall track rebuild' writes it again"
        ) from error


def find_parents(runs: MlflowRuns, study: Study, ledger_id: str) -> list[FoundRun]:
    """Return the parent runs of a ledger: one, or none before its first sync."""
    experiment_id = runs.find_experiment(EXPERIMENT_PREFIX + study.name)
    if experiment_id is None:
        return []
    return list(runs.search(experiment_id, _identify(study, ledger_id)))


def _identify(study: Study, ledger_id: str) -> dict[str, str]:
    return {
        "rankfall.role": "study",
        "rankfall.study_digest": study.digest,
        "rankfall.ledger": ledger_id,
    }


def _write_children(
    runs: MlflowRuns, parent: _Parent, views: Mapping[str, RunView], tags: Mapping[str, str]
) -> int:
    """Write the children that are new, half-written or out of date; return how many."""
    stale = {key for key, view in views.items() if parent.contents.get(key) != view.content}
    half_written: dict[str, str] = {}
    if stale and (not parent.contents or stale & parent.contents.keys()):
        half_written = _compare(runs, parent, {key: views[key] for key in stale})
    written = 0
    for key, view in views.items():
        if parent.contents.get(key) == view.content:
            continue
        run_id = half_written.get(key)
        if run_id is None:
            all_tags = {**view.tags, **tags, PARENT: parent.run_id, CONTENT: view.content}
            run_id = runs.create(parent.experiment_id, view.name, view.start, all_tags)
        runs.log(run_id, view.params, {}, view.metrics)
        runs.end(run_id, view.status, view.end)
        parent.contents[key] = view.content
        written += 1
    return written


def _compare(runs: MlflowRuns, parent: _Parent, views: Mapping[str, RunView]) -> dict[str, str]:
    """Compare the children that MLflow has with the views; one search for all of them.

    Notes in ``parent`` what is up to date; deletes runs that say something else than the ledger
    or say it twice (a request that was retried); returns the half-written ones by trial key.
    """
    half_written: dict[str, str] = {}
    for key in views:
        parent.contents.pop(key, None)
    for run in list(runs.search(parent.experiment_id, {PARENT: parent.run_id})):
        key = run.tags.get(TRIAL_KEY, "")
        view = views.get(key)
        if view is None:
            continue
        is_double = key in parent.contents or key in half_written
        if is_double or run.tags.get(CONTENT) != view.content:
            runs.delete(run.run_id)
        elif run.status == view.status:
            parent.contents[key] = view.content
        else:
            half_written[key] = run.run_id
    return half_written


def _complete_note(
    parent: _Parent, study: Study, overview: Overview, artifacts: Sequence[Path]
) -> str:
    """Return the note with what only the store knows: links to runs and artifacts."""
    words = [overview.tags[NOTE], "", link_trials(study, parent.experiment_id)]
    if any(artifact.name == MAP_PICTURE for artifact in artifacts):
        picture = f"get-artifact?path={MAP_PICTURE}&run_uuid={parent.run_id}"
        words += ["", f"![The collapse map]({picture})"]
    return "\n".join(words)


def _conclude(
    runs: MlflowRuns,
    parent: _Parent,
    overview: Overview,
    artifacts: Sequence[Path],
    status: StudyStatus,
) -> None:
    for artifact in artifacts:
        runs.attach(parent.run_id, artifact)
    if status is StudyStatus.RUNNING:
        runs.mark_running(parent.run_id)
    else:
        runs.end(parent.run_id, status.value, overview.end)
