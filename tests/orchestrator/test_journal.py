"""The journal: whatever a kill leaves behind, the next run reads on."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.errors import LedgerError
from orchestrator.journal import mend_journal, open_journal
from orchestrator.ledger import Ledger
from tests.orchestrator.fabricated import fabricate, make_tiny, open_ledger, propose, told


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A journal whose last record is the second of two outcomes."""
    folder = tmp_path_factory.mktemp("journal")
    ledger = open_ledger(folder)
    trials = propose(0.1, 1.0)
    ledger.add_round(trials)
    for trial in trials:
        ledger.tell(fabricate(trial.key))
    return (folder / "ledger.journal").read_bytes()


def start_of_last_record(journal: bytes) -> int:
    return journal.rindex(b"\n", 0, -1) + 1


def test_a_cut_at_every_byte_of_the_last_record_leaves_exactly_the_records_before(
    journal: bytes, tmp_path: Path
) -> None:
    path, whole = tmp_path / "ledger.journal", start_of_last_record(journal)
    assert len(journal) - whole > 500
    for cut in range(whole, len(journal)):
        path.write_bytes(journal[:cut])
        mend_journal(path)
        assert path.read_bytes() == journal[:whole]
    path.write_bytes(journal)
    mend_journal(path)
    assert path.read_bytes() == journal


@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_after_a_cut_anywhere_the_same_tells_give_the_same_ledger(
    data: st.DataObject, journal: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("cut") / "ledger.journal"
    path.write_bytes(journal[: data.draw(st.integers(0, len(journal)))])
    mend_journal(path)
    ledger = Ledger.open(path, make_tiny())
    trials = propose(0.1, 1.0)
    if not ledger.rounds:
        ledger.add_round(trials)
    for trial in trials:
        ledger.tell(fabricate(trial.key))

    assert told(Ledger.load(path)) == {trial.key: fabricate(trial.key) for trial in trials}


def test_without_mending_the_record_after_a_torn_one_is_lost(
    journal: bytes, tmp_path: Path
) -> None:
    # Why mend_journal exists: pins what Optuna does.
    path = tmp_path / "ledger.journal"
    path.write_bytes(journal[:-20])
    trial = propose(1.0)[0].key
    with pytest.raises(AttributeError, match="_last_created_trial"):
        Ledger.open(path, make_tiny()).tell(fabricate(trial))
    assert told(Ledger.load(path))[trial] is None


def test_a_reader_leaves_out_a_torn_record_and_changes_nothing(
    journal: bytes, tmp_path: Path
) -> None:
    path = tmp_path / "ledger.journal"
    path.write_bytes(journal[:-20])
    outcomes = told(Ledger.load(path))
    assert [outcome is not None for outcome in outcomes.values()] == [True, False]
    assert path.read_bytes() == journal[:-20]


def test_a_torn_record_longer_than_one_read_is_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "ledger.journal"
    path.write_bytes(b"{}\n" + b"x" * 200_000)
    mend_journal(path)
    assert path.read_bytes() == b"{}\n"


def test_a_lock_of_a_killed_process_is_removed_and_a_missing_journal_is_fine(
    tmp_path: Path,
) -> None:
    path = tmp_path / "ledger.journal"
    lock = tmp_path / "ledger.journal.lock"
    lock.symlink_to(path)
    mend_journal(path)
    assert not lock.is_symlink()
    assert not path.exists()


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"PAR1\x00\xff\n\x00\n", id="binary"),
        pytest.param(b'{"study": "tiny"}\n{}\n', id="other-json"),
        pytest.param(b"[1, 2]\n3\n", id="not-mappings"),
    ],
)
def test_a_file_that_is_no_journal_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "ledger.journal"
    path.write_bytes(content)
    with pytest.raises(LedgerError, match=r"ledger\.journal: is not a journal that Optuna wrote"):
        open_journal(path)


def test_a_folder_in_the_journals_place_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match=r"cannot be opened \(Is a directory\)"):
        open_journal(tmp_path)
