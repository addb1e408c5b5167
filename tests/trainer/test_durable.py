"""write_durably: whole or absent, also when the writer is killed in the middle."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.trainer.killed_writer import SIZE_BYTES
from trainer.durable import write_durably

KILLS = 8


def start_writer(path: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-m", "tests.trainer.killed_writer", str(path)])


def read_whole(path: Path) -> int:
    """Return the version in the file; it must be all there."""
    content = path.read_bytes()
    assert len(content) == SIZE_BYTES
    assert content == content[:1] * SIZE_BYTES
    return content[0]


def test_a_reader_never_sees_a_part_even_when_the_writer_is_killed(tmp_path: Path) -> None:
    path = tmp_path / "outcomes.json"
    for kill in range(KILLS):
        path.unlink(missing_ok=True)
        writer, versions = start_writer(path), set[int]()
        # Read while the writer is writing, then kill it in the middle of whatever it does.
        while len(versions) < 2 + kill % 3:
            assert writer.poll() is None, "the writer ended by itself"
            if path.exists():
                versions.add(read_whole(path))
        writer.send_signal(signal.SIGKILL)
        assert writer.wait() == -signal.SIGKILL
        read_whole(path)


def test_content_is_replaced_and_nothing_else_stays(tmp_path: Path) -> None:
    path = tmp_path / "file.json"
    for content in (b"first, and longer", b"second", b""):
        write_durably(path, content)
        assert path.read_bytes() == content
    assert [p.name for p in tmp_path.iterdir()] == ["file.json"]


def test_a_missing_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="missing"):
        write_durably(tmp_path / "missing" / "file.json", b"x")


def test_a_failed_write_leaves_the_old_content_and_no_litter(tmp_path: Path) -> None:
    # The rename fails, as it would on a file system that has become read-only meanwhile.
    path = tmp_path / "taken"
    path.mkdir()
    (path / "inside").touch()
    with pytest.raises(OSError, match="taken"):
        write_durably(path, b"x")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["taken"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_an_unwritable_folder_is_an_error(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(PermissionError, match=str(tmp_path)):
        write_durably(tmp_path / "file.json", b"x")
