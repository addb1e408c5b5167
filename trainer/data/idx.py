"""IDX files of unsigned bytes (MNIST's format), plain or compressed with gzip.

A file is: two zero bytes, the type (8 = unsigned byte), the number of dimensions, each dimension
as a big-endian 32-bit number, then the values, row-major. The magic number is the first four.

References:
    LeCun, Cortes & Burges, "The MNIST database of handwritten digits", yann.lecun.com/exdb/mnist.
"""

import gzip
import math
import struct
import zlib
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np

from trainer.data.image_source import Bytes
from trainer.errors import BadSourceError, MissingSourceError

_UNSIGNED_BYTE = 0x08


def find_idx(folder: Path, name: str, how_to_get: str) -> Path:
    """Return the file ``name``, or ``name.gz`` where only that is there.

    Raises:
        MissingSourceError: If neither is there.
    """
    for path in (folder / name, folder / f"{name}.gz"):
        if path.is_file():
            return path
    raise MissingSourceError(
        "source", f"there is neither {name} nor {name}.gz in {folder}; {how_to_get}"
    )


def read_idx_shape(path: Path, dimensions: int) -> tuple[int, ...]:
    """Return the shape that the header says, without reading the values.

    Raises:
        BadSourceError: If it is no IDX file of unsigned bytes with so many dimensions.
    """
    return _read(path, dimensions, with_values=False)[0]


def read_idx(path: Path, dimensions: int) -> Bytes:
    """Return all values, in the shape that the header says.

    Raises:
        BadSourceError: As :func:`read_idx_shape`, or if there are more or fewer values.
    """
    shape, content = _read(path, dimensions, with_values=True)
    if len(content) != math.prod(shape):
        raise BadSourceError(
            "source",
            f"{path}: its header says {_times(shape)} = {math.prod(shape)} bytes, but "
            f"{len(content)} follow; the file is damaged, get it anew",
        )
    return np.frombuffer(content, np.uint8).reshape(shape)


def _read(path: Path, dimensions: int, *, with_values: bool) -> tuple[tuple[int, ...], bytes]:
    try:
        with _open(path) as file:
            shape = _read_header(path, file, dimensions)
            return shape, file.read() if with_values else b""
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise BadSourceError(
            "source", f"{path}: expected a whole gzip file ({error}); get it anew"
        ) from error


def _open(path: Path) -> BinaryIO:
    return cast("BinaryIO", gzip.open(path)) if path.suffix == ".gz" else path.open("rb")


def _read_header(path: Path, file: BinaryIO, dimensions: int) -> tuple[int, ...]:
    magic, expected = file.read(4), bytes([0, 0, _UNSIGNED_BYTE, dimensions])
    if magic != expected:
        raise BadSourceError(
            "source",
            f"{path}: expected an IDX file of unsigned bytes with {dimensions} dimensions (magic "
            f"number 0x{expected.hex()}), got 0x{magic.hex()}; is this another file?",
        )
    sizes = file.read(4 * dimensions)
    if len(sizes) < 4 * dimensions:
        raise BadSourceError("source", f"{path}: it ends within its header; get it anew")
    return struct.unpack(f">{dimensions}I", sizes)


def _times(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))
