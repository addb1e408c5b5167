"""CIFAR-10 and CIFAR-100: 60,000 colour 32 x 32 images, 10 or 100 classes, 50,000 + 10,000.

Of the published archives the binary version is read, as it is or unpacked. The python version
holds pickles, which can run any code, and is refused.

A record is one label byte (CIFAR-10) or two (CIFAR-100: one of 20 superclasses, then the class),
and 3,072 pixels: red, green, blue, each row-major.

References:
    Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009;
    https://www.cs.toronto.edu/~kriz/cifar.html (formats and checksums).
"""

import tarfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from trainer.data.image_source import (
    Bytes,
    ImageSource,
    SourceSplit,
    Whole,
    folder_of,
    refuse_given,
)
from trainer.errors import BadSourceError, MissingSourceError
from trainer.settings import DataSettings

_SHAPE = (3, 32, 32)
_PIXELS = 3 * 32 * 32


@dataclass(frozen=True, slots=True)
class CifarVersion:
    """One of the two datasets, as it is published.

    Attributes:
        source: What studies call it.
        archive: File name of the binary version.
        md5: Its published checksum.
        folder: What it unpacks to.
        python_folder: What the python version unpacks to.
        label_bytes: Bytes before the pixels; the last of them is the class.
    """

    source: str
    archive: str
    md5: str
    folder: str
    python_folder: str
    train_files: tuple[str, ...]
    test_file: str
    label_bytes: int
    class_count: int

    @property
    def how_to_get(self) -> str:
        """What to do where it is not on disk."""
        return (
            f"run: rankfall data get {self.source}, or get "
            f"https://www.cs.toronto.edu/~kriz/{self.archive} (MD5 {self.md5}), and give the "
            "folder that holds it, packed or unpacked, as data.folder"
        )


CIFAR10 = CifarVersion(
    source="cifar10",
    archive="cifar-10-binary.tar.gz",
    md5="c32a1d4ab5d03f1284b67883e8d87530",
    folder="cifar-10-batches-bin",
    python_folder="cifar-10-batches-py",
    train_files=tuple(f"data_batch_{number}.bin" for number in range(1, 6)),
    test_file="test_batch.bin",
    label_bytes=1,
    class_count=10,
)
CIFAR100 = CifarVersion(
    source="cifar100",
    archive="cifar-100-binary.tar.gz",
    md5="03b5dce01913d631647c71ecec9e9cb8",
    folder="cifar-100-binary",
    python_folder="cifar-100-python",
    train_files=("train.bin",),
    test_file="test.bin",
    label_bytes=2,
    class_count=100,
)


def open_cifar(settings: DataSettings, version: CifarVersion) -> ImageSource:
    """Read the labels; from an archive that means to decompress all of it.

    Raises:
        MissingSourceError: If neither the archive nor its files are there.
        BadSourceError: If it is the python version, damaged, or another dataset.
        DataSettingsError: If settings are given that do not apply; the test split is the
            source's own, so ``test_fraction`` is one of them.
    """
    refuse_given(
        settings,
        {
            "test_fraction": "the source has a test split of its own",
            "image_size": "images are 32 x 32",
            "colour": "images are in colour",
        },
    )
    folder = folder_of(settings, version.how_to_get)
    records_by_file = _find_records(folder, version)
    train = [records_by_file[name] for name in version.train_files]
    place = str(folder)
    return ImageSource(
        train=_split_of(f"{place} (train)", train, version),
        test=_split_of(f"{place} (test)", [records_by_file[version.test_file]], version),
        class_count=version.class_count,
        image_shape=_SHAPE,
    )


def _split_of(place: str, batches: list[Bytes], version: CifarVersion) -> SourceSplit:
    """Make a split of arrays of records, each (N, label bytes + pixels)."""

    def read(rows_n: Whole) -> Bytes:
        pixels_NP = np.concatenate([batch[:, version.label_bytes :] for batch in batches])
        return pixels_NP[rows_n].reshape(-1, *_SHAPE)

    labels_N = np.concatenate([batch[:, version.label_bytes - 1] for batch in batches])
    return SourceSplit(place, labels_N.astype(np.int64), read)


def _find_records(folder: Path, version: CifarVersion) -> dict[str, Bytes]:
    for unpacked in (folder / version.folder, folder):
        if (unpacked / version.test_file).is_file():
            return _map_files(unpacked, version)
    archive = folder / version.archive
    if archive.is_file():
        return _unpack(archive, version)
    python = (version.archive.replace("binary", "python"), version.python_folder)
    if folder.name == version.python_folder or any((folder / name).exists() for name in python):
        raise BadSourceError(
            "folder",
            f"{folder} holds the python version, whose pickles could run any code; "
            f"{version.how_to_get}",
        )
    raise MissingSourceError(
        "folder",
        f"there is neither {version.archive} nor its files in {folder}; {version.how_to_get}",
    )


def _map_files(unpacked: Path, version: CifarVersion) -> dict[str, Bytes]:
    """Return the records of each unpacked file, memory-mapped."""
    records_by_file: dict[str, Bytes] = {}
    for name in _files_of(version):
        path = unpacked / name
        if not path.is_file() or not path.stat().st_size:
            raise BadSourceError("folder", f"{path} is missing or empty; {version.how_to_get}")
        records_by_file[name] = _as_records(str(path), np.memmap(path, np.uint8, "r"), version)
    return records_by_file


def _unpack(archive: Path, version: CifarVersion) -> dict[str, Bytes]:
    """Return the records of each file of the archive; nothing is written to disk."""
    wanted = {f"{version.folder}/{name}": name for name in _files_of(version)}
    records_by_file: dict[str, Bytes] = {}
    try:
        with tarfile.open(archive, "r|gz") as tar:
            for member in tar:
                name = wanted.get(member.name.removeprefix("./"))
                file = tar.extractfile(member) if name is not None else None
                if name is not None and file is not None:
                    content = np.frombuffer(file.read(), np.uint8)
                    records_by_file[name] = _as_records(f"{archive}: {name}", content, version)
    except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
        raise BadSourceError(
            "folder", f"{archive}: expected a whole tar.gz ({error}); {version.how_to_get}"
        ) from error
    missing = [path for path, name in wanted.items() if name not in records_by_file]
    if missing:
        raise BadSourceError(
            "folder", f"{archive}: expected {missing[0]} in it, found none; {version.how_to_get}"
        )
    return records_by_file


def _files_of(version: CifarVersion) -> tuple[str, ...]:
    return (*version.train_files, version.test_file)


def _as_records(place: str, content: Bytes, version: CifarVersion) -> Bytes:
    length = version.label_bytes + _PIXELS
    if not len(content) or len(content) % length:
        raise BadSourceError(
            "folder",
            f"{place}: expected whole records of {length} bytes, got {len(content)} bytes; "
            f"{version.how_to_get}",
        )
    return content.reshape(-1, length)
