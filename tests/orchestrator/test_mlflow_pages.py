"""What MLflow's pages are given: datasets with digests, tables, notes, the machine's load."""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from mlflow import MlflowClient

from orchestrator.background_tracker import BackgroundTracker
from orchestrator.dataset_view import DIGEST_CHARACTERS, view_dataset, view_datasets
from orchestrator.machine_load import LoadSampler
from orchestrator.mlflow_note import MOST_SLICES, write_answer
from orchestrator.mlflow_overview import NOTE, StudyStatus
from orchestrator.mlflow_runs import open_monitors
from orchestrator.tracking import Extras
from search_spaces.axis import ChoiceAxis, RangeAxis
from search_spaces.study import Plain, Question
from tests.orchestrator.mlflow_database import open_tracker
from tests.orchestrator.report.builder import (
    KIND_AXIS,
    LR_AXIS,
    PROVENANCE,
    make_records,
    make_small_study,
    make_study,
)
from trainer.settings import DataSettings

pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader:DeprecationWarning")

STUDY = make_small_study()
RECORDS = make_records(STUDY)


def test_equal_data_have_equal_digests_and_any_other_choice_another_one() -> None:
    given = {"source": "digits", "test_fraction": 0.3}
    digests = {
        view_dataset(DataSettings.model_validate({**given, **change})).digest
        for change in ({}, {"test_fraction": 0.4}, {"classes": 5}, {"limit": 500})
    }
    assert len(digests) == 4
    assert {len(digest) for digest in digests} == {DIGEST_CHARACTERS}
    again = view_dataset(DataSettings.model_validate(given))
    assert again == view_dataset(DataSettings.model_validate(given))
    assert again.digest in digests
    assert json.loads(again.profile)["classes"] == 10


def test_a_study_shows_each_of_its_data_once_and_none_that_is_not_here() -> None:
    assert [view.name for view in view_datasets(STUDY)] == ["digits"]
    varied = make_study((LR_AXIS, KIND_AXIS, ChoiceAxis("data.classes", (3, 5))))
    assert len({view.digest for view in view_datasets(varied)}) == 2
    away: dict[str, Plain] = {"data.source": "image_folder", "data.folder": "/nowhere"}
    fixed = {**dict(STUDY.fixed), **away, "data.image_size": 8}
    assert view_datasets(replace(STUDY, fixed=tuple(sorted(fixed.items())))) == []


def test_the_parent_run_has_its_data_as_an_input_and_once(database: Path) -> None:
    report = open_tracker(database).sync(STUDY, RECORDS[:2], PROVENANCE)
    open_tracker(database).sync(STUDY, RECORDS[:3], PROVENANCE)
    client = MlflowClient(f"sqlite:///{database}")
    inputs = client.get_run(report.run_id).inputs
    assert inputs is not None
    (found,) = inputs.dataset_inputs
    (view,) = view_datasets(STUDY)
    assert (found.dataset.name, found.dataset.digest) == ("digits", view.digest)
    assert json.loads(found.dataset.source)["source"] == "digits"


def test_the_experiment_has_a_table_whose_columns_are_there(database: Path) -> None:
    report = open_tracker(database).sync(STUDY, RECORDS[:4], PROVENANCE)
    client = MlflowClient(f"sqlite:///{database}")
    experiment = client.get_experiment(report.experiment_id)
    view = json.loads(experiment.tags[f"mlflow.sharedViewState.{STUDY.digest}"])
    assert view["selectedColumns"][0] == "tags.`regime`"
    trials = client.search_runs([report.experiment_id], view["searchFilter"], max_results=10)
    assert len(trials) == 4
    for column in view["selectedColumns"]:
        family, _, name = column.partition(".")
        assert name.strip("`") in getattr(trials[0].data, family), column
    note = client.get_run(report.run_id).data.tags[NOTE]
    assert f"experiments/{report.experiment_id}/runs?viewStateShareKey={STUDY.digest}" in note


def test_the_note_begins_with_the_answer_and_its_table_has_every_slice(database: Path) -> None:
    answer = write_answer(STUDY, RECORDS)
    rows = [line for line in answer.splitlines() if line.startswith("| ")]
    assert len(rows) == 1 + len(STUDY.slices())
    assert answer.startswith("**At which learning rate does training lose its rank")
    tracker = open_tracker(database)
    some = RECORDS[:2]
    report = tracker.sync(STUDY, some, PROVENANCE, (), StudyStatus.FINISHED, Extras(answer))
    client = MlflowClient(f"sqlite:///{database}")
    note = client.get_run(report.run_id).data.tags[NOTE]
    assert note.startswith(answer)
    assert "get-artifact" not in note, "a picture that was not uploaded"
    tracker.sync(STUDY, some, PROVENANCE, [make_picture(database.parent)])
    note = client.get_run(report.run_id).data.tags[NOTE]
    assert f"get-artifact?path=collapse_map.png&run_uuid={report.run_id}" in note


def make_picture(folder: Path) -> Path:
    path = folder / "collapse_map.png"
    path.write_bytes(b"\x89PNG")
    return path


@pytest.mark.parametrize("question", [Question.OPTIMISE, Question.GRID])
def test_other_questions_have_answers_too(question: Question) -> None:
    study = make_small_study(question)
    assert write_answer(study, make_records(study)).startswith("**")


def test_a_note_of_many_slices_is_cut_below_what_mlflow_keeps() -> None:
    many = RangeAxis("objective.temperature", 0.05, 1.0, log=True, points=40)
    study = make_study((LR_AXIS, KIND_AXIS, many))
    answer = write_answer(study, make_records(study)[:50])
    assert len(answer.encode()) < 7000
    assert f"{120 - MOST_SLICES} further slices" in answer


def test_load_is_sampled_until_it_is_stopped_and_dropped_once_written() -> None:
    sampler = LoadSampler(open_monitors, every=0.01)
    sampler.start(round(time.time() * 1000) - 5000)
    wait_for(lambda: bool(sampler.points()))
    sampler.stop()
    points = sampler.points()
    names = {point.key for point in points}
    assert {"system/cpu_utilization_percentage", "system/disk_usage_percentage"} <= names
    assert all(5 <= point.step < 1000 for point in points)
    sampler.drop(points)
    assert set(sampler.points()).isdisjoint(points)


def wait_for(is_true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not is_true():
        assert time.monotonic() < deadline


def test_load_that_mlflow_did_not_take_is_sent_again(database: Path) -> None:
    def one_reading() -> Callable[[], Mapping[str, float]]:
        return lambda: {"cpu_utilization_percentage": 50.0}

    sampler = LoadSampler(one_reading, every=3600)
    broken = open_tracker(database.parent / "away" / "no" / "mlflow.db")
    (database.parent / "away").write_text("no folder")
    failing = BackgroundTracker(broken, STUDY, PROVENANCE, sampler)
    sampler.start(0)
    wait_for(lambda: bool(sampler.points()))
    assert failing.finish(RECORDS[:1], StudyStatus.KILLED).warning is not None
    assert len(sampler.points()) == 1
    again = BackgroundTracker(open_tracker(database), STUDY, PROVENANCE, sampler)
    summary = again.finish(RECORDS[:1], StudyStatus.FINISHED)
    assert summary.warning is None
    assert summary.report is not None
    client = MlflowClient(f"sqlite:///{database}")
    metrics = client.get_run(summary.report.run_id).data.metrics
    assert metrics["system/cpu_utilization_percentage"] == 50.0
    assert sampler.points() == ()
