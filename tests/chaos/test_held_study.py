"""Two real processes and one study: the second is refused, whatever becomes of the first."""

import os
import signal
from pathlib import Path

import pytest

from tests.runs import Place, started, wait_until


@pytest.mark.slow
def test_a_second_run_of_a_running_study_is_refused_and_the_first_is_not_disturbed(
    tmp_path: Path,
) -> None:
    place = Place(tmp_path)
    place.write_study()
    with started(place.path, place.command("--no-mlflow")) as process:
        ledger = place.study_folder / "ledger.journal"
        wait_until(lambda: ledger.exists() and b"round:" in ledger.read_bytes(), "a round", process)
        second = place.run("--no-mlflow")
        assert second.returncode == 2
        assert "error" in second.stderr
        assert "another process is running this study" in second.stderr
        assert process.poll() is None
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    assert len(place.records()) > 0
