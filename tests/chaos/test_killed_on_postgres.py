"""A real sweep with its ledger in a real PostgreSQL, killed: the same command goes on."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.ledger_store import close_databases
from orchestrator.record import TrialState
from tests.conftest import ReferenceRun
from tests.orchestrator.schedule.postgres import find_postgres, running_postgres
from tests.runs import Family, Place, started, wait_until

PROGRAMS = find_postgres()
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(PROGRAMS is None, reason="needs PostgreSQL: apt install postgresql"),
]
PASSWORD = "s3cret"


@pytest.fixture
def url(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An empty database; the password is in the environment alone."""
    assert PROGRAMS is not None
    with running_postgres(PROGRAMS) as with_password:
        monkeypatch.setenv("PGPASSWORD", PASSWORD)
        yield with_password.replace(f":{PASSWORD}@", "@")
        close_databases()


def test_a_sweep_killed_with_its_ledger_in_postgres_goes_on_to_the_same_map(
    url: str, tmp_path: Path, reference_run: ReferenceRun
) -> None:
    place = Place(tmp_path)
    place.write_study()
    options = ("--ledger", url, "--no-mlflow")
    with started(place.path, place.command(*options)) as process:
        family = Family(process.pid)
        wait_until(place.has_outcomes, "an outcome on disk", process)
        family.look()
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        wait_until(lambda: not family.look(), "the end of the killed driver's processes")
    assert [r for r in place.records() if r.state is TrialState.PENDING], "killed too late"
    close_databases()
    result = place.run("--no-mlflow")  # the folder says where the ledger is
    assert result.returncode == 0, result.stderr
    close_databases()
    assert place.outcomes() == reference_run.place.outcomes()
    assert place.collapse_map() == reference_run.place.collapse_map()
    written = [path for path in place.path.rglob("*") if path.is_file()]
    assert [path for path in written if PASSWORD.encode() in path.read_bytes()] == []
