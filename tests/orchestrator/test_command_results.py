"""results and export: what a ledger says, in every form, and nothing but the ledger is needed."""

import io
import json
import zipfile
from pathlib import Path

import optuna
import pandas as pd
import pytest

from orchestrator.collapse_map import build_map
from orchestrator.command_results import export_study, results_json, write_table
from orchestrator.errors import FolderError, LedgerError, ReportError
from orchestrator.journal import open_journal
from orchestrator.ledger import Ledger
from orchestrator.map_file import to_json
from orchestrator.provenance import read_provenance
from tests.orchestrator.fabricated import TEXT, fabricate, open_ledger, propose, told


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """A results folder with one study: two trials finished, one missing, one to do."""
    folder = tmp_path / "results"
    (folder / "tiny").mkdir(parents=True)
    ledger = open_ledger(folder / "tiny")
    ledger.set_provenance(read_provenance(["rankfall", "run", "tiny.yaml"]))
    ledger.add_round(propose(0.1, 1.0, 3.0, 10.0))
    keys = list(told(ledger))
    for key in keys[:2]:
        ledger.tell(fabricate(key))
    ledger.tell_missing(keys[2], "a lost node")
    return folder


def test_the_map_is_printed_as_its_file_would_have_it(results: Path) -> None:
    ledger = Ledger.load(results / "tiny" / "ledger.journal")
    assert results_json("tiny", results) == to_json(build_map(ledger.study, ledger.records()))
    assert json.loads(results_json("tiny", results))["totals"]["finished_trials"] == 2


def test_tables_have_a_row_a_trial_in_both_forms(results: Path, tmp_path: Path) -> None:
    write_table("tiny", results, tmp_path / "t.csv")
    write_table("tiny", results, tmp_path / "t.parquet", parquet=True)
    as_csv, as_parquet = pd.read_csv(tmp_path / "t.csv"), pd.read_parquet(tmp_path / "t.parquet")
    assert list(as_csv["trial"]) == list(as_parquet["trial"])
    assert sorted(as_csv["state"]) == ["finished", "finished", "missing", "pending"]


def test_a_study_is_found_by_the_path_of_its_own_folder(results: Path, tmp_path: Path) -> None:
    own = str(results / "tiny")
    assert results_json(own, tmp_path / "absent") == results_json("tiny", results)


def test_a_study_that_is_not_there_is_refused(results: Path, tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match="no ledger here"):
        results_json("absent", results)
    with pytest.raises(ReportError, match="cannot be written"):
        write_table("tiny", results, tmp_path / "no" / "such" / "folder.csv")


def assert_whole(folder: Path) -> None:
    """Check that an export stands alone: Rankfall and plain Optuna read it."""
    assert (folder / "study.yaml").read_text() == TEXT
    about = json.loads((folder / "about.json").read_text())
    assert about["command"] == "rankfall run tiny.yaml"
    assert (folder / "report" / "report.html").stat().st_size > 1000
    assert len(pd.read_csv(folder / "report" / "trials.csv")) == 4
    assert len(Ledger.load(folder / "ledger.journal").records()) == 4
    storage = open_journal(folder / "ledger.journal")
    assert len(optuna.load_study(study_name="tiny", storage=storage).trials) == 3


def test_an_export_stands_alone_even_of_a_study_that_is_being_written(
    results: Path, tmp_path: Path
) -> None:
    journal = results / "tiny" / "ledger.journal"
    whole = journal.read_bytes()
    journal.write_bytes(whole + b'{"op_code": 4, "worker')
    files = export_study("tiny", results, tmp_path / "out" / "tiny")
    assert all(path.is_file() for path in files)
    assert (tmp_path / "out" / "tiny" / "ledger.journal").read_bytes() == whole
    assert_whole(tmp_path / "out" / "tiny")


def test_an_archive_holds_the_same_in_one_folder(results: Path, tmp_path: Path) -> None:
    target = tmp_path / "tiny-2026.zip"
    assert export_study("tiny", results, target) == [target]
    assert [path.name for path in tmp_path.iterdir()].count("tiny-2026.zip") == 1
    with zipfile.ZipFile(io.BytesIO(target.read_bytes())) as archive:
        archive.extractall(tmp_path / "unpacked")
    assert [path.name for path in (tmp_path / "unpacked").iterdir()] == ["tiny-2026"]
    assert_whole(tmp_path / "unpacked" / "tiny-2026")
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {"results", "tiny-2026.zip", "unpacked"}


@pytest.mark.parametrize("name", ["full", "file.zip", "file"])
def test_nothing_is_ever_overwritten(name: str, results: Path, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    for taken in ("full/mine", "file.zip", "file"):
        (tmp_path / taken).write_text("mine")
    with pytest.raises(FolderError, match="exists already"):
        export_study("tiny", results, tmp_path / name)
    assert (tmp_path / "full" / "mine").read_text() == "mine"


@pytest.mark.parametrize("name", ["below/a/file/x", "below/a/file/x.zip", "absent/x.zip"])
def test_a_place_that_cannot_be_written_is_refused(
    name: str, results: Path, tmp_path: Path
) -> None:
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "a").write_text("a file")
    with pytest.raises(FolderError, match="cannot be written"):
        export_study("tiny", results, tmp_path / name)
