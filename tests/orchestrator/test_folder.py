"""A study's folder: one process at a time, and a clear word where it cannot be written."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from orchestrator.errors import FolderError, StudyBusyError
from orchestrator.folder import StudyFolder, find_studies

ROOT = Path(__file__).parents[2]
HOLD = """
import sys
from pathlib import Path
from orchestrator.folder import StudyFolder
with StudyFolder(Path(sys.argv[1])).locked():
    print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def holder(folder: StudyFolder) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the study."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder.path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        try:
            yield process
        finally:
            process.kill()


@pytest.fixture
def folder(tmp_path: Path) -> StudyFolder:
    made = StudyFolder(tmp_path / "results" / "tiny")
    made.create()
    return made


def test_a_folder_is_made_with_its_parents_and_made_again_without_harm(
    folder: StudyFolder,
) -> None:
    folder.ledger.write_text("kept")
    folder.create()
    assert [path.name for path in folder.path.iterdir()] == ["ledger.journal"]


def test_a_study_held_by_another_process_is_refused_until_that_one_is_killed(
    folder: StudyFolder,
) -> None:
    with holder(folder) as process:
        with pytest.raises(StudyBusyError, match="another process is running this study"):
            folder.locked().__enter__()
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        with folder.locked():
            pass


def test_a_study_is_free_again_after_an_error_inside(folder: StudyFolder) -> None:
    with pytest.raises(ZeroDivisionError), folder.locked():
        raise ZeroDivisionError
    with folder.locked():
        pass


@pytest.mark.parametrize("name", ["file", "file/below", "file/far/below"])
def test_a_results_folder_that_is_a_file_is_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(FolderError, match=r"cannot be written .* choose another .* --results"):
        StudyFolder(tmp_path / name / "tiny").create()
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a file system nobody can write")
def test_a_file_system_that_takes_no_files_is_refused() -> None:
    with pytest.raises(FolderError, match="cannot be written"):
        StudyFolder(Path("/proc/rankfall/tiny")).create()


def test_studies_are_found_by_their_ledgers_in_order_of_name(tmp_path: Path) -> None:
    for name in ("b", "a", "c"):
        StudyFolder(tmp_path / name).create()
    for name in ("b", "a"):
        StudyFolder(tmp_path / name).ledger.touch()
    assert [folder.path.name for folder in find_studies(tmp_path)] == ["a", "b"]
    assert find_studies(tmp_path / "absent") == []
