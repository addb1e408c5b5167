"""The outbox: outcomes are whole on disk or not there, and come back bit by bit."""

import os
import signal
from pathlib import Path

import pytest

from tests.orchestrator.fabricated import fabricate
from trainer.durable import write_durably
from trainer.outbox import Outbox

KEYS = [f'{{"lr":{lr}}}#0' for lr in (0.1, 1 / 3, 1e-7)]


@pytest.fixture
def outbox(tmp_path: Path) -> Outbox:
    return Outbox(tmp_path / "far" / "outbox")


def test_outcomes_come_back_exactly_in_the_order_of_their_packs(outbox: Outbox) -> None:
    outbox.put("b", [fabricate(KEYS[2])])
    outbox.put("a", [fabricate(key) for key in KEYS[:2]])
    assert outbox.waiting() == [fabricate(key) for key in KEYS]


def test_the_same_pack_again_replaces_its_outcomes(outbox: Outbox) -> None:
    for _ in range(2):
        outbox.put("a", [fabricate(KEYS[0])])
    assert outbox.waiting() == [fabricate(KEYS[0])]


def test_an_outbox_that_was_never_used_is_empty_and_can_be_cleared(outbox: Outbox) -> None:
    outbox.clear()
    assert outbox.waiting() == []
    assert not outbox.folder.exists()


def test_clearing_leaves_files_of_others_alone(outbox: Outbox) -> None:
    outbox.put("a", [fabricate(KEYS[0])])
    (outbox.folder / "note.txt").write_text("mine")
    outbox.clear()
    assert [path.name for path in outbox.folder.iterdir()] == ["note.txt"]


def test_a_writer_killed_before_its_commit_leaves_nothing_to_read_or_to_keep(
    outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    outbox.put("kept", [fabricate(KEYS[0])])
    victim = os.fork()
    if victim == 0:
        monkeypatch.setattr(Path, "replace", lambda *_: os.kill(os.getpid(), signal.SIGKILL))
        outbox.put("lost", [fabricate(KEYS[1])])
        os._exit(1)
    _, status = os.waitpid(victim, 0)
    assert os.WTERMSIG(status) == signal.SIGKILL
    assert len(list(outbox.folder.iterdir())) == 2
    assert outbox.waiting() == [fabricate(KEYS[0])]
    outbox.clear()
    assert list(outbox.folder.iterdir()) == []


def test_a_failed_write_leaves_the_old_content_and_no_other_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    path = tmp_path / "content"
    write_durably(path, b"old")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_durably(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]
