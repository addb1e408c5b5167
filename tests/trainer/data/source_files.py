"""Writes tiny sources as they are published: IDX files, CIFAR archives, folders of images."""

import gzip
import io
import struct
import tarfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from trainer.data.cifar import CifarVersion

Bytes = npt.NDArray[np.uint8]


def noise(shape: tuple[int, ...], seed: int = 0) -> Bytes:
    """Return random bytes."""
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def write_idx(path: Path, values: Bytes) -> None:
    """Write an IDX file, compressed if its name ends in .gz."""
    header = struct.pack(f">BBBB{values.ndim}I", 0, 0, 8, values.ndim, *values.shape)
    content = header + values.tobytes()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)


def write_fashion(
    folder: Path, *, each: int = 12, suffix: str = "", size: int = 6
) -> dict[str, Bytes]:
    """Write the four files: ``each`` train and half as many test images of ten classes."""
    arrays: dict[str, Bytes] = {}
    for seed, (name, count) in enumerate((("train", each), ("t10k", each // 2))):
        labels = np.tile(np.arange(10, dtype=np.uint8), count)
        arrays[f"{name}-labels-idx1-ubyte"] = labels
        arrays[f"{name}-images-idx3-ubyte"] = noise((len(labels), size, size), seed)
    for name, values in arrays.items():
        write_idx(folder / f"{name}{suffix}", values)
    return arrays


def cifar_files(version: CifarVersion, each: int = 2) -> dict[str, Bytes]:
    """Return records by file name, with ``each`` images of every class in each file."""
    files: dict[str, Bytes] = {}
    for seed, name in enumerate((*version.train_files, version.test_file)):
        labels = np.tile(np.arange(version.class_count, dtype=np.uint8), each)
        records = noise((len(labels), version.label_bytes + 3072), seed)
        records[:, 0] = 0  # the superclass, where there is one
        records[:, version.label_bytes - 1] = labels
        files[name] = records
    return files


def write_archive(path: Path, files: Mapping[str, Bytes], inside: str) -> None:
    """Write a tar.gz of files within one folder."""
    with tarfile.open(path, "w:gz") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(f"{inside}/{name}")
            member.size = content.nbytes
            tar.addfile(member, io.BytesIO(content.tobytes()))


def write_image(path: Path, *, seed: int = 0, mode: str = "RGB", size: tuple[int, int]) -> Bytes:
    """Write one image of random pixels, whose folders need not exist; return them (H, W, ...)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    width, height = size
    pixels = noise((height, width, 3) if mode == "RGB" else (height, width), seed)
    Image.fromarray(pixels).save(path)
    return pixels


def write_classes(folder: Path, names: tuple[str, ...], *, each: int = 4) -> None:
    """Write ``each`` 8 x 8 images into a folder for each class."""
    for label, name in enumerate(names):
        for number in range(each):
            path = folder / name / f"{number}.png"
            write_image(path, seed=100 * label + number, size=(8, 8))
