"""Features on disk: computed once, memory-mapped by every process of the node, never trusted.

A file is named by the digest of its key. Whoever opens one checks that it holds this very key,
has the length it says and the checksum it says; anything else is built anew. Builders hold a
lock of the node (flock, which the kernel takes back from the dead), write a draft and rename it.

File: one block of JSON, filled up with spaces, then the rows, row-major.

Shape legend: R = rows, F = features.
"""

import fcntl
import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch
from torch import Tensor

from trainer.errors import FeatureCacheError

FOLDER_VARIABLE = "RANKFALL_CACHE"

_DEFAULT_FOLDER = Path("~/.cache/rankfall")
_HEADER_BYTES = 4096
_READ_BYTES = 1 << 22
_DTYPES = {
    torch.float16: "<f2",
    torch.float32: "<f4",
    torch.float64: "<f8",
    torch.uint8: "|u1",
}


@dataclass(frozen=True, slots=True)
class Header:
    """What a file says of itself; ``sha256`` covers the other fields and the rows."""

    key: str
    dtype: str
    rows: int
    width: int
    sha256: str = ""

    def hasher(self) -> "hashlib._Hash":
        """Return a digest that has taken in all fields but itself."""
        fields = {**asdict(self), "sha256": ""}
        return hashlib.sha256(json.dumps(fields, sort_keys=True).encode())


def cache_folder() -> Path:
    """Return the folder that RANKFALL_CACHE names, or ``~/.cache/rankfall``."""
    return Path(os.environ.get(FOLDER_VARIABLE) or _DEFAULT_FOLDER).expanduser()


def cached_features(
    folder: Path,
    key: str,
    rows: int,
    dtype: torch.dtype,
    build: Callable[[], Iterable[Tensor]],
) -> Tensor:
    """Return the features of a key, from disk or built and stored.

    Args:
        folder: Where the files are; made if missing.
        key: All that the features depend on, as text.
        rows: How many there are.
        dtype: float16, float32, float64 or uint8.
        build: Computes them: yields pieces [r, F] of ``dtype``, R rows in all. Called by one
            process of the node at a time, and only if there is no file to be trusted.

    Returns:
        Shape (R, F), memory-mapped, on the CPU. Writing to it changes neither file nor others.

    Raises:
        FeatureCacheError: If the folder cannot be written, e.g. because the disk is full.
    """
    path = folder / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.features"
    wanted = Header(key, _DTYPES[dtype], rows, width=0)
    features_RF = _open(path, wanted)
    if features_RF is not None:
        return features_RF
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _lock_of(path):
            features_RF = _open(path, wanted)  # another process may have built it meanwhile
            if features_RF is None:
                _store(path, wanted, build())
                features_RF = _open(path, wanted)
    except OSError as error:
        raise FeatureCacheError(
            f"expected to store features in {folder}, got: {error}; set {FOLDER_VARIABLE} to a "
            "folder that can be written and has room"
        ) from error
    if features_RF is None:
        raise FeatureCacheError(
            f"features that were just written to {path} do not read back as written: the disk is "
            f"faulty; set {FOLDER_VARIABLE} to a folder on another one"
        )
    return features_RF


def _open(path: Path, wanted: Header) -> Tensor | None:
    """Return the rows of a file that can be trusted, or None."""
    try:
        with path.open("rb") as file:
            header = _read_header(file)
            if header is None or not _is_sound(file, header, wanted):
                return None
    except OSError:
        return None
    # Copy-on-write: torch wants memory that it may write to.
    rows_RF = np.memmap(
        path, np.dtype(header.dtype), "c", _HEADER_BYTES, (header.rows, header.width)
    )
    return torch.from_numpy(rows_RF)


def _read_header(file: BinaryIO) -> Header | None:
    try:
        return Header(**json.loads(file.read(_HEADER_BYTES)))
    except (ValueError, TypeError):
        return None


def _is_sound(file: BinaryIO, header: Header, wanted: Header) -> bool:
    if (header.key, header.dtype, header.rows) != (wanted.key, wanted.dtype, wanted.rows):
        return False
    hasher, size = header.hasher(), 0
    while piece := file.read(_READ_BYTES):
        hasher.update(piece)
        size += len(piece)
    expected = header.rows * header.width * np.dtype(header.dtype).itemsize
    return size == expected and hasher.hexdigest() == header.sha256


def _store(path: Path, wanted: Header, pieces: Iterable[Tensor]) -> None:
    """Write a file so that it is whole or absent; call with the lock held."""
    draft = path.with_suffix(".draft")  # what a killed builder left is overwritten
    pieces = iter(pieces)
    first = next(pieces)
    header = Header(wanted.key, wanted.dtype, wanted.rows, first.shape[1])
    hasher, rows = header.hasher(), 0
    with draft.open("wb") as file:
        file.seek(_HEADER_BYTES)
        for piece_rF in chain([first], pieces):
            content = np.ascontiguousarray(piece_rF.cpu().numpy(), header.dtype).tobytes()
            hasher.update(content)
            file.write(content)
            rows += len(piece_rF)
        assert rows == wanted.rows, f"{rows} rows were built, {wanted.rows} were announced"
        complete = asdict(header) | {"sha256": hasher.hexdigest()}
        block = json.dumps(complete).encode().ljust(_HEADER_BYTES)
        assert len(block) == _HEADER_BYTES, "keys are digests and a few settings"
        file.seek(0)
        file.write(block)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


@contextmanager
def _lock_of(path: Path) -> Iterator[None]:
    """Hold the node's lock for one file; the lock file stays, so that all mean the same one."""
    with path.with_suffix(".lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
