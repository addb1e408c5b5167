"""A file of features is built once, and anything but the right one is built anew."""

import fcntl
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor

from trainer.data.feature_cache import cache_folder, cached_features
from trainer.errors import FeatureCacheError

KEY = json.dumps({"encoder": "a"})
ROWS = 700
FEATURES = torch.randn(ROWS, 5, generator=torch.Generator().manual_seed(0))


class Builder:
    """Yields the features in ragged pieces, and counts how often it was asked."""

    def __init__(self, features_RF: Tensor = FEATURES) -> None:
        self.features_RF = features_RF
        self.calls = 0

    def __call__(self) -> Iterator[Tensor]:
        self.calls += 1
        yield from torch.split(self.features_RF, 300)


def get(folder: Path, builder: Callable[[], Iterator[Tensor]], key: str = KEY) -> Tensor:
    return cached_features(folder, key, ROWS, torch.float32, builder)


def the_file(folder: Path) -> Path:
    (path,) = folder.glob("*.features")
    return path


def test_features_are_built_once_and_come_back_bit_for_bit(tmp_path: Path) -> None:
    builder = Builder()
    assert torch.equal(get(tmp_path / "new" / "folder", builder), FEATURES)
    assert torch.equal(get(tmp_path / "new" / "folder", builder), FEATURES)
    assert builder.calls == 1


def test_writing_to_what_is_returned_changes_nobody_elses(tmp_path: Path) -> None:
    first = get(tmp_path, Builder())
    first.zero_()
    assert torch.equal(get(tmp_path, Builder()), FEATURES)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_keys_and_dtypes_have_files_of_their_own(tmp_path: Path, dtype: torch.dtype) -> None:
    for key in ("a", "b"):
        own = Builder(FEATURES.to(dtype) + ord(key))
        for _ in range(2):
            features = cached_features(tmp_path, key, ROWS, dtype, own)
            assert features.dtype == dtype
            assert torch.equal(features, own.features_RF)
        assert own.calls == 1


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def truncate_to_nothing(path: Path) -> None:
    path.write_bytes(b"")


def cut_the_header(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:100])


def append(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"\0")


def flip_a_byte_of_the_rows(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1234] ^= 1
    path.write_bytes(content)


def flip_a_byte_of_the_header(path: Path) -> None:
    content = bytearray(path.read_bytes())
    position = content.index(b'"width": 5') + len('"width": ')
    content[position : position + 1] = b"4"
    path.write_bytes(content)


def write_zeros(path: Path) -> None:
    path.write_bytes(bytes(len(path.read_bytes())))


def write_other_json(path: Path) -> None:
    path.write_bytes(b"[1]".ljust(path.stat().st_size))


def put_the_file_of_another_key_there(path: Path) -> None:
    other = path.parent / "other"
    get(other, Builder(FEATURES + 1), key="another")
    the_file(other).replace(path)


def put_the_file_of_fewer_rows_there(path: Path) -> None:
    other = path.parent / "other"
    cached_features(other, KEY, 5, torch.float32, Builder(FEATURES[:5]))
    the_file(other).replace(path)


def remove(path: Path) -> None:
    path.unlink()


@pytest.mark.parametrize(
    "damage",
    [
        truncate,
        truncate_to_nothing,
        cut_the_header,
        append,
        flip_a_byte_of_the_rows,
        flip_a_byte_of_the_header,
        write_zeros,
        write_other_json,
        put_the_file_of_another_key_there,
        put_the_file_of_fewer_rows_there,
        remove,
    ],
)
def test_a_damaged_or_foreign_file_is_built_anew(
    tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    get(tmp_path, Builder())
    damage(the_file(tmp_path))
    builder = Builder()
    assert torch.equal(get(tmp_path, builder), FEATURES)
    assert builder.calls == 1
    assert torch.equal(get(tmp_path, builder), FEATURES)
    assert builder.calls == 1


def test_a_builder_that_fails_leaves_no_file_and_no_lock(tmp_path: Path) -> None:
    def fail() -> Iterator[Tensor]:
        yield FEATURES[:300]
        raise RuntimeError("out of memory")

    with pytest.raises(RuntimeError, match="out of memory"):
        get(tmp_path, fail)
    assert not list(tmp_path.glob("*.features"))
    assert torch.equal(get(tmp_path, Builder()), FEATURES)


def test_a_folder_that_cannot_be_written_names_the_variable(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(FeatureCacheError, match="set RANKFALL_CACHE to a folder"):
        get(tmp_path / "file", Builder())


def test_the_folder_is_that_of_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RANKFALL_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path
    monkeypatch.setenv("RANKFALL_CACHE", "")
    monkeypatch.setenv("HOME", "/home/somebody")
    assert cache_folder() == Path("/home/somebody/.cache/rankfall")


KILLED_BUILDER = """
import os, signal, sys
from pathlib import Path
import torch
from trainer.data.feature_cache import cached_features

def build():
    yield torch.ones(300, 5)
    os.kill(os.getpid(), signal.SIGKILL)

cached_features(Path(sys.argv[1]), sys.argv[2], 700, torch.float32, build)
"""


def test_what_a_killed_builder_left_is_no_file_and_no_lock(tmp_path: Path) -> None:
    command = [sys.executable, "-c", KILLED_BUILDER, str(tmp_path), KEY]
    died = subprocess.run(command, check=False, timeout=60)
    assert died.returncode == -signal.SIGKILL
    assert list(tmp_path.glob("*.draft")), "it was at work"
    assert not list(tmp_path.glob("*.features"))
    assert torch.equal(get(tmp_path, Builder()), FEATURES)
    assert not list(tmp_path.glob("*.draft"))


def build_slowly(folder: Path, log: Path) -> Iterator[Tensor]:
    """Build once the other process waits for the lock: that is when its flock is in the list."""
    with log.open("a") as file:
        file.write(f"{os.getpid()}\n")
    lock = next(folder.glob("*.lock"))
    while str(lock.stat().st_ino) not in waiting_locks():
        time.sleep(0.01)
    yield FEATURES


def waiting_locks() -> str:
    lines = Path("/proc/locks").read_text().splitlines()
    return "\n".join(line for line in lines if "->" in line)


def read_in_a_process(folder: Path, log: Path) -> None:
    features = get(folder, lambda: build_slowly(folder, log))
    assert torch.equal(features, FEATURES)


@pytest.mark.skipif(not Path("/proc/locks").exists(), reason="who waits is seen in /proc/locks")
def test_of_two_processes_at_once_one_builds_and_the_other_waits(tmp_path: Path) -> None:
    folder, log = tmp_path / "cache", tmp_path / "log"
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=read_in_a_process, args=(folder, log)) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0, 0]
    assert len(log.read_text().splitlines()) == 1


def test_a_file_that_can_be_trusted_is_read_while_another_process_holds_the_lock(
    tmp_path: Path,
) -> None:
    get(tmp_path, Builder())
    (lock,) = tmp_path.glob("*.lock")
    with lock.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert torch.equal(get(tmp_path, Builder()), FEATURES)
