"""A ledger in a real PostgreSQL: everything that the journal's tests ask of a ledger, and kills.

Each test of ``test_ledger.py`` that looks at a ledger through Rankfall alone is run here again,
on a folder whose ledger lies in the database.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import optuna
import pytest

from orchestrator.command_results import export_study
from orchestrator.errors import LedgerError, StudyChangedError
from orchestrator.ledger import Ledger
from orchestrator.ledger_store import close_databases, open_store, point_to, read_pointer
from orchestrator.mlflow_store import Store
from tests.orchestrator import test_ledger
from tests.orchestrator.fabricated import fabricate, make_tiny, open_ledger, propose, told
from tests.orchestrator.schedule.postgres import find_postgres, running_postgres

PROGRAMS = find_postgres()
pytestmark = pytest.mark.skipif(PROGRAMS is None, reason="needs PostgreSQL: apt install postgresql")

KILLED = """
import os, signal, sys
from pathlib import Path
from optuna.storages import RDBStorage
from tests.orchestrator.fabricated import fabricate, open_ledger, propose

ledger = open_ledger(Path(sys.argv[1]))
trials = propose(0.1, 1.0)
ledger.add_round(trials)
ledger.tell(fabricate(trials[0].key))
prepare = RDBStorage._get_prepared_new_trial

def die(*arguments):
    prepare(*arguments)
    os.kill(os.getpid(), signal.SIGKILL)

RDBStorage._get_prepared_new_trial = die
ledger.tell(fabricate(trials[1].key))
"""


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    assert PROGRAMS is not None
    with running_postgres(PROGRAMS) as url:
        yield url


@pytest.fixture
def url(server: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The database's URL as a pointer holds it; the password is in the environment."""
    before, _, after = server.partition(":s3cret")
    monkeypatch.setenv("PGPASSWORD", "s3cret")
    yield before + after
    close_databases()


@pytest.fixture
def folder(url: str, tmp_path: Path) -> Path:
    """A study's folder whose ledger lies in the database."""
    point_to(tmp_path / "ledger.journal", url, "tiny")
    return tmp_path


@pytest.mark.parametrize(
    "demand",
    [
        test_ledger.test_everything_is_found_again_by_another_process,
        test_ledger.test_an_outcome_replaces_a_failure,
        test_ledger.test_a_raised_budget_continues_and_is_recorded,
        test_ledger.test_a_comment_in_the_file_continues_too,
    ],
)
def test_it_is_a_ledger_as_the_journal_is_one(demand: Callable[[Path], None], folder: Path) -> None:
    demand(folder)
    assert read_pointer(folder / "ledger.journal") is not None


def test_both_kinds_of_ledger_hold_the_same_and_an_export_is_a_journal(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    journal = tmp_path_factory.mktemp("journal")
    contents = []
    for place in (folder, journal):
        ledger = open_ledger(place)
        ledger.set_provenance(test_ledger.PROVENANCE)
        trials = propose(0.1, 1 / 3, 7.0, replicates=2)
        ledger.add_round(trials)
        for trial in trials[:-1]:
            ledger.tell(fabricate(trial.key))
            ledger.tell(fabricate(trial.key))
        ledger.tell_missing(trials[-1].key, "a lost node\0 of ☃")
        contents.append(told(Ledger.load(place / "ledger.journal")))
    assert contents[0] == contents[1]
    exported = tmp_path_factory.mktemp("out") / "exported"
    export_study(str(folder), folder.parent, exported)
    assert read_pointer(exported / "ledger.journal") is None
    assert told(Ledger.load(exported / "ledger.journal")) == contents[0]


def test_a_changed_study_is_refused(folder: Path) -> None:
    open_ledger(folder).add_round(propose(1.0))
    with pytest.raises(StudyChangedError, match="give the changed study a new name"):
        open_ledger(folder, "seed=1")


def test_two_folders_of_one_study_are_two_ledgers(
    folder: Path, url: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    other = tmp_path_factory.mktemp("other")
    point_to(other / "ledger.journal", url, "tiny")
    open_ledger(folder).add_round(propose(1.0))
    assert open_ledger(other).records() == []
    assert len(Ledger.load(folder / "ledger.journal").records()) == 1


def test_a_process_killed_while_it_tells_has_told_or_has_not(folder: Path) -> None:
    root = Path(__file__).parents[2]
    killed = subprocess.run([sys.executable, "-c", KILLED, str(folder)], cwd=root, check=False)
    assert killed.returncode == -signal.SIGKILL
    ledger = open_ledger(folder)
    first, second = (trial.key for trial in propose(0.1, 1.0))
    assert told(ledger) == {first: fabricate(first), second: None}
    ledger.tell(fabricate(second))
    assert told(Ledger.load(folder / "ledger.journal"))[second] == fabricate(second)


def test_optunas_own_tools_read_the_schema(folder: Path, url: str) -> None:
    open_ledger(folder).add_round([*propose(0.1)])
    open_ledger(folder).tell(fabricate(propose(0.1)[0].key))
    (name,) = open_store(folder / "ledger.journal").names
    storage = optuna.storages.RDBStorage(f"{url}?options=-csearch_path%3Drankfall_ledger")
    try:
        study = optuna.load_study(study_name=name, storage=storage)
        assert [trial.params["lr"] for trial in study.trials] == [0.1]
    finally:
        storage.engine.dispose()


def test_mlflow_lives_in_the_same_database(folder: Path, server: str) -> None:
    # Both keep their schema's version in a table alembic_version.
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore  # noqa: PLC0415

    assert Store(server, None).uri == server
    mlflow = SqlAlchemyStore(server, folder.as_uri())  # type: ignore[no-untyped-call]
    try:
        assert mlflow.search_experiments()  # type: ignore[no-untyped-call]
        assert open_ledger(folder).records() == []
    finally:
        mlflow.engine.dispose()


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        pytest.param("postgresql://me:hunter2@127.0.0.1/x", "holds a password", id="password"),
        pytest.param("sqlite:////tmp/x.db", "expected postgresql://", id="kind"),
        pytest.param("nonsense", "expected postgresql://", id="nonsense"),
        pytest.param("postgresql://me@127.0.0.1:9/x", "cannot be used", id="nobody-there"),
    ],
)
def test_what_cannot_keep_a_ledger_is_refused_in_one_line(
    given: str, complaint: str, tmp_path: Path
) -> None:
    with pytest.raises(LedgerError, match=complaint) as caught:
        point_to(tmp_path / "ledger.journal", given, "tiny")
    assert "\n" not in str(caught.value)
    assert "hunter2" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_ledger_stays_where_it_is(
    folder: Path, url: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    pointer = (folder / "ledger.journal").read_bytes()
    point_to(folder / "ledger.journal", url, "tiny")
    with pytest.raises(LedgerError, match="leave --ledger out"):
        point_to(folder / "ledger.journal", f"{url}2", "tiny")
    assert (folder / "ledger.journal").read_bytes() == pointer
    journal = tmp_path_factory.mktemp("journal")
    Ledger.open(journal / "ledger.journal", make_tiny())
    with pytest.raises(LedgerError, match="has its ledger here"):
        point_to(journal / "ledger.journal", url, "tiny")


def test_a_password_that_is_missing_is_said_without_a_traceback(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    close_databases()
    monkeypatch.setenv("PGPASSWORD", "wrong")
    monkeypatch.setenv("PGPASSFILE", os.devnull)
    with pytest.raises(LedgerError, match="password authentication failed"):
        Ledger.load(folder / "ledger.journal")
