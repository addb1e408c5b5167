"""write_report: all files or a clear refusal, and never half a file."""

from pathlib import Path

import pytest

from orchestrator.errors import ReportError
from orchestrator.report.write import write_report
from search_spaces.axis import ChoiceAxis
from search_spaces.study import Question, Study
from tests.orchestrator.report.builder import (
    LR_AXIS,
    PROVENANCE,
    make_records,
    make_small_study,
    make_study,
)

STUDY = make_study((LR_AXIS,))
RECORDS = make_records(STUDY)
ALL = [
    "collapse_map.json",
    "collapse_map.png",
    "effective_rank.png",
    "report.html",
    "spectra.png",
    "trials.csv",
    "trials.parquet",
]


def test_all_files_are_written_and_named(tmp_path: Path) -> None:
    paths = write_report(STUDY, RECORDS, PROVENANCE, tmp_path / "deep" / "report")
    assert [path.name for path in paths] == ALL
    assert sorted((tmp_path / "deep" / "report").iterdir()) == paths
    assert all(path.stat().st_size > 100 for path in paths)


def test_writing_again_replaces_every_file_byte_for_byte(tmp_path: Path) -> None:
    first = {p.name: p.read_bytes() for p in write_report(STUDY, RECORDS, PROVENANCE, tmp_path)}
    again = write_report(STUDY, RECORDS[::-1], PROVENANCE, tmp_path)
    assert {path.name: path.read_bytes() for path in again} == first


def test_no_trials_are_no_error(tmp_path: Path) -> None:
    assert [p.name for p in write_report(STUDY, [], PROVENANCE, tmp_path)] == ALL


@pytest.mark.parametrize(
    "study",
    [
        pytest.param(make_small_study(Question.OPTIMISE), id="optimise"),
        pytest.param(make_study((ChoiceAxis("train.batch_size", (64, 256)),)), id="fixed-lr"),
    ],
)
def test_questions_without_a_boundary_have_no_boundary_figures(
    study: Study, tmp_path: Path
) -> None:
    names = [path.name for path in write_report(study, [], PROVENANCE, tmp_path)]
    assert names == [name for name in ALL if not name.endswith(".png")]


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ReportError, match=r"cannot write the report of study demo to .*file"):
        write_report(STUDY, RECORDS, PROVENANCE, tmp_path / "file" / "report")


def test_a_failure_leaves_no_partial_file(tmp_path: Path) -> None:
    (tmp_path / "collapse_map.png").mkdir()
    with pytest.raises(ReportError, match="choose a folder"):
        write_report(STUDY, RECORDS, PROVENANCE, tmp_path)
    assert not list(tmp_path.glob(".*"))
