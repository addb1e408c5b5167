"""Tracker against real SQLite stores: what users see, idempotence, kills."""

import math
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.errors import TrackingError
from orchestrator.mlflow_overview import StudyStatus
from orchestrator.mlflow_runs import MlflowRuns
from orchestrator.record import TrialRecord, TrialState
from tests.orchestrator.killed_sync import PLACES
from tests.orchestrator.mlflow_database import open_tracker, read_runs
from tests.orchestrator.report.builder import (
    PROVENANCE,
    make_records,
    make_study,
    without_outcome,
)
from trainer.cohort import Outcome

# MLflow 3.17's mappers under SQLAlchemy 2.1; raised while MLflow is first used.
pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader:DeprecationWarning")

STUDY = make_study()
RECORDS = make_records(STUDY)[:8]
PARENT = "parent 0"


def with_outcome(record: TrialRecord, change: Callable[[Outcome], Outcome]) -> TrialRecord:
    assert record.outcome is not None
    return replace(record, outcome=change(record.outcome))


def test_a_finished_trial_is_a_child_run_with_its_settings_measures_and_regime(
    database: Path,
) -> None:
    open_tracker(database).sync(STUDY, RECORDS, PROVENANCE)
    record = RECORDS[0]
    assert record.outcome is not None
    run = read_runs(database)[record.key]

    assert (run.status, run.name) == ("FINISHED", "infonce tau=0.05 lr=0.01 r0")
    assert (run.start, run.end) == (1767225600000, 1767225605000)
    assert (
        run.tags.items()
        >= {
            "mlflow.parentRunId": "parent",
            "mlflow.source.git.commit": "0123abc",
            "rankfall.git_dirty": "true",
            "rankfall.study_digest": STUDY.digest,
            "rankfall.trial_key": record.key,
            "regime": record.outcome.regime.value,
            "objective": "infonce",
            "study": "demo",
            "replicate": "0",
        }.items()
    )
    assert run.params["objective.temperature"] == "0.05"
    assert run.params["train.batch_size"] == "256"
    latest = {key: value for key, _, value, _ in run.metrics}
    assert latest["lr"] == 0.01
    assert latest["temperature"] == 0.05
    assert latest["score"] == record.outcome.score
    ranks = {step: value for key, step, value, _ in run.metrics if key == "collapse/effective_rank"}
    history = record.outcome.history
    assert ranks == {
        0: record.outcome.initial["effective_rank"],
        **dict(zip(history.steps, history.values["effective_rank"], strict=True)),
        record.outcome.steps_done: record.outcome.measures["effective_rank"],
    }


def test_the_parent_run_carries_the_question_the_counts_and_the_files(
    database: Path, tmp_path: Path
) -> None:
    report = tmp_path / "report.html"
    report.write_text("<h1>map</h1>")
    records = [*RECORDS[:6], without_outcome(RECORDS[6], TrialState.MISSING)]
    records.append(without_outcome(RECORDS[7], TrialState.PENDING))
    done = open_tracker(database).sync(STUDY, records, PROVENANCE, [report], StudyStatus.FINISHED)
    runs = read_runs(database)
    parent = runs[PARENT]
    latest = {key: value for key, _, value, _ in parent.metrics}

    assert (parent.status, parent.name) == ("FINISHED", "demo (boundary)")
    note = parent.tags["mlflow.note.content"]
    assert "finished, 7 of at most 400 trials (6 healthy, 1 missing)" in note
    assert parent.params["lr"] == "0.01 to 100, log"
    assert latest["trials/told"] == 7
    assert latest["trials/missing"] == 1
    folder = tmp_path / "mlartifacts" / "demo" / done.run_id / "artifacts"
    assert (folder / "report.html").read_text() == "<h1>map</h1>"
    assert (folder / "study.yaml").read_text() == STUDY.source_text
    assert (done.written, done.unchanged, done.url) == (7, 0, None)
    assert len(runs) == 8


def test_a_missing_trial_is_a_failed_run_with_its_failure(database: Path) -> None:
    missing = without_outcome(RECORDS[0], TrialState.MISSING)
    open_tracker(database).sync(STUDY, [missing], PROVENANCE)
    run = read_runs(database)[missing.key]

    assert run.status == "FAILED"
    assert run.tags["failure"] == missing.failure
    assert run.tags["regime"] == "missing"


def test_syncing_again_changes_nothing_in_this_or_another_process(database: Path) -> None:
    tracker = open_tracker(database)
    tracker.sync(STUDY, RECORDS, PROVENANCE)
    before = read_runs(database)
    again = tracker.sync(STUDY, RECORDS, PROVENANCE)
    afresh = open_tracker(database).sync(STUDY, RECORDS, PROVENANCE)

    assert (again.written, afresh.written, afresh.unchanged) == (0, 0, len(RECORDS))
    assert read_runs(database) == before


def test_syncing_as_trials_finish_ends_like_syncing_once(
    database: Path, tmp_path: Path, empty_database: Path
) -> None:
    pending = [without_outcome(record, TrialState.PENDING) for record in RECORDS]
    tracker = open_tracker(database)
    written = [
        tracker.sync(STUDY, [*RECORDS[:told], *pending[told:]], PROVENANCE).written
        for told in (0, 3, 5, 8)
    ]
    (tmp_path / "once").mkdir()
    once = Path(shutil.copy(empty_database, tmp_path / "once" / "mlflow.db"))
    open_tracker(once).sync(STUDY, RECORDS, PROVENANCE)
    grown, whole = read_runs(database), read_runs(once)

    assert written == [0, 3, 2, 3]
    # The parent keeps its counts over time, one point for each sync that had news.
    assert set(grown.pop(PARENT).metrics) >= set(whole.pop(PARENT).metrics)
    assert grown == whole


def test_a_killed_sync_is_completed_by_the_next_and_mlflow_is_imported_late(
    empty_database: Path, tmp_path: Path
) -> None:
    root = Path(__file__).parents[2]
    command = [sys.executable, "-m", "tests.orchestrator.killed_sync"]
    subprocess.run([*command, str(empty_database), str(tmp_path / "killed")], cwd=root, check=True)
    clean = Path(shutil.copy(empty_database, tmp_path / "mlflow.db"))
    open_tracker(clean).sync(STUDY, RECORDS, PROVENANCE)
    expected = read_runs(clean)

    for place in PLACES:
        killed = tmp_path / "killed" / place / "mlflow.db"
        left = read_runs(killed)
        assert left != expected, f"{place}: nothing was left undone"
        assert len(left) < len(expected)
        done = open_tracker(killed).sync(STUDY, RECORDS, PROVENANCE)
        assert read_runs(killed) == expected, place
        finished = sum(run.status == "FINISHED" for run in left.values())
        assert (done.written, done.unchanged) == (len(RECORDS) - finished, finished)


def test_a_run_that_was_created_twice_is_shown_once(
    database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    create = MlflowRuns.create

    def create_twice(self: MlflowRuns, *args: object) -> str:
        create(self, *args)  # type: ignore[arg-type]
        return create(self, *args)  # type: ignore[arg-type]

    tracker = open_tracker(database)
    tracker.sync(STUDY, RECORDS[:1], PROVENANCE)
    with monkeypatch.context() as patch:
        patch.setattr(MlflowRuns, "create", create_twice)  # a request whose answer was lost
        tracker.sync(STUDY, RECORDS[:2], PROVENANCE)
    with pytest.raises(AssertionError, match="two runs of"):
        read_runs(database)
    open_tracker(database).sync(STUDY, RECORDS[:3], PROVENANCE)
    assert len(read_runs(database)) == 4


def test_a_trial_that_was_missing_and_then_finished_is_replaced(
    database: Path, tmp_path: Path, empty_database: Path
) -> None:
    tracker = open_tracker(database)
    tracker.sync(STUDY, [without_outcome(RECORDS[0], TrialState.MISSING)], PROVENANCE)
    tracker.sync(STUDY, RECORDS[:1], PROVENANCE)
    (tmp_path / "clean").mkdir()
    clean = Path(shutil.copy(empty_database, tmp_path / "clean" / "mlflow.db"))
    open_tracker(clean).sync(STUDY, RECORDS[:1], PROVENANCE)

    assert read_runs(database)[RECORDS[0].key] == read_runs(clean)[RECORDS[0].key]


def test_ledgers_of_the_same_study_do_not_touch_each_other(database: Path) -> None:
    open_tracker(database, "mine").sync(STUDY, RECORDS[:2], PROVENANCE)
    open_tracker(database, "yours").sync(STUDY, RECORDS[2:4], PROVENANCE)
    runs = read_runs(database)

    assert {key for key in runs if key.startswith("parent")} == {"parent 0", "parent 1"}
    assert len(runs) == 6


def test_a_resumed_study_runs_again_and_a_new_one_gets_a_parent_of_its_own(database: Path) -> None:
    tracker = open_tracker(database)
    tracker.sync(STUDY, RECORDS[:1], PROVENANCE, status=StudyStatus.KILLED)
    assert read_runs(database)[PARENT].status == "KILLED"
    tracker.sync(STUDY, RECORDS[:2], PROVENANCE)
    assert read_runs(database)[PARENT].status == "RUNNING"
    other = replace(STUDY, seed=7)
    tracker.sync(other, RECORDS[:0] + make_records(other)[4:5], PROVENANCE)
    assert "parent 1" in read_runs(database)


@pytest.mark.parametrize("poison", [math.nan, math.inf, -math.inf])
def test_a_number_that_is_not_finite_is_refused_before_anything_is_written(
    database: Path, poison: float
) -> None:
    # Outcomes refuse NaN themselves; model_construct goes behind their back.
    poisoned = with_outcome(
        RECORDS[1],
        lambda outcome: Outcome.model_construct(
            **{**dict(outcome), "measures": {"effective_rank": poison}}
        ),
    )
    with pytest.raises(
        TrackingError, match=r"metric collapse/effective_rank at step 300 is -?(nan|inf)"
    ):
        open_tracker(database).sync(STUDY, [RECORDS[0], poisoned], PROVENANCE)
    assert read_runs(database) == {}


def test_more_values_than_one_request_takes_arrive_whole(database: Path) -> None:
    names = [f"measure_{i}" for i in range(40)]
    steps = tuple(range(1, 201))

    def widen(outcome: Outcome) -> Outcome:
        values = {name: tuple(float(step) for step in steps) for name in names}
        history = outcome.history.model_copy(update={"steps": steps, "values": values})
        return outcome.model_copy(update={"history": history})

    record = with_outcome(RECORDS[0], widen)
    open_tracker(database).sync(STUDY, [record], PROVENANCE)
    found = [m for m in read_runs(database)[record.key].metrics if "measure_7" in m[0].split("/")]
    assert len(found) == 50
    assert (found[0][1], found[-1][1]) == (1, 200)
