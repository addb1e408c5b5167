"""CIFAR: packed and unpacked are the same data; wrong, damaged, pickled archives are refused."""

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.trainer.data.source_files import cifar_files, write_archive
from trainer.data.cifar import CIFAR10, CIFAR100, CifarVersion
from trainer.data.images import know_images, load_images, open_source
from trainer.errors import BadSourceError, DataSettingsError, MissingSourceError
from trainer.settings import DataSettings

BOTH = pytest.mark.parametrize(
    ("source", "version"), [("cifar10", CIFAR10), ("cifar100", CIFAR100)]
)


def cifar(folder: Path | None, source: str = "cifar10", **changes: object) -> DataSettings:
    where = None if folder is None else str(folder)
    return DataSettings.model_validate({"source": source, "folder": where, **changes})


@BOTH
def test_packed_and_unpacked_are_what_was_written(
    tmp_path: Path, source: str, version: CifarVersion
) -> None:
    files = cifar_files(version)
    write_archive(tmp_path / version.archive, files, version.folder)
    packed = open_source(cifar(tmp_path, source))
    unpacked = tmp_path / version.folder
    unpacked.mkdir()
    for name, records in files.items():
        (unpacked / name).write_bytes(records.tobytes())
    (tmp_path / version.archive).unlink()
    train = np.concatenate([files[name] for name in version.train_files])
    for folder in (tmp_path, unpacked):
        for opened in (packed, open_source(cifar(folder, source))):
            assert opened.train.labels_N.tolist() == train[:, version.label_bytes - 1].tolist()
            rows = np.array([5, 1, len(train) - 1])
            pixels = opened.train.read(rows)
            for image, row in zip(pixels, rows, strict=True):
                # Red, green, blue, each row by row, as the authors' page says.
                assert image[1, 2, 3] == train[row, version.label_bytes + 1024 + 2 * 32 + 3]
                assert image.tobytes() == train[row, version.label_bytes :].tobytes()


@BOTH
def test_the_split_of_the_source_is_kept(
    tmp_path: Path, source: str, version: CifarVersion
) -> None:
    files = cifar_files(version)
    write_archive(tmp_path / version.archive, files, version.folder)
    data, facts = load_images(cifar(tmp_path, source)), know_images(cifar(tmp_path, source))
    assert data.image_shape == facts.image_shape == (3, 32, 32)
    assert data.class_count == facts.class_count == version.class_count
    assert facts.train_count == len(data.train_labels_N)
    assert facts.test_count == len(data.test_labels_N) == len(files[version.test_file])
    assert data.train_labels_N.dtype == torch.int64
    with pytest.raises(DataSettingsError, match=r"test_fraction: the source has a test split"):
        know_images(cifar(tmp_path, source, test_fraction=0.3))


@BOTH
def test_a_missing_archive_is_named_with_its_checksum(
    tmp_path: Path, source: str, version: CifarVersion
) -> None:
    wanted = f"rankfall data get {source}, .*{version.archive} .MD5 {version.md5}."
    with pytest.raises(MissingSourceError, match=f"{source} needs data.folder.*{wanted}"):
        know_images(cifar(None, source))
    with pytest.raises(MissingSourceError, match=f"there is neither.*{wanted}"):
        know_images(cifar(tmp_path, source))


@BOTH
def test_pickles_are_never_opened(tmp_path: Path, source: str, version: CifarVersion) -> None:
    folder = tmp_path / version.python_folder
    folder.mkdir()
    for given in (tmp_path, folder):
        with pytest.raises(BadSourceError, match=f"python version, whose pickles.*{version.md5}"):
            know_images(cifar(given, source))


def test_another_archive_under_this_name_is_refused(tmp_path: Path) -> None:
    files = cifar_files(CIFAR100, each=1)
    write_archive(tmp_path / CIFAR10.archive, files, CIFAR100.folder)
    with pytest.raises(BadSourceError, match=r"expected cifar-10-batches-bin/data_batch_1.bin in"):
        know_images(cifar(tmp_path))


@pytest.mark.parametrize("share", [0.0, 0.1, 0.9])
def test_a_truncated_archive_is_refused(tmp_path: Path, share: float) -> None:
    archive = tmp_path / CIFAR10.archive
    write_archive(archive, cifar_files(CIFAR10), CIFAR10.folder)
    content = archive.read_bytes()
    archive.write_bytes(content[: int(share * len(content))])
    with pytest.raises(BadSourceError, match=f"expected a whole tar.gz .*{CIFAR10.md5}"):
        know_images(cifar(tmp_path))


def test_torn_records_and_missing_batches_are_refused(tmp_path: Path) -> None:
    for name, records in cifar_files(CIFAR10).items():
        (tmp_path / name).write_bytes(records.tobytes())
    batch = tmp_path / "data_batch_3.bin"
    batch.write_bytes(batch.read_bytes()[:-7])
    with pytest.raises(BadSourceError, match=r"data_batch_3.bin: expected whole records of 3073"):
        know_images(cifar(tmp_path))
    batch.unlink()
    with pytest.raises(BadSourceError, match=r"data_batch_3.bin is missing or empty"):
        know_images(cifar(tmp_path))


def test_labels_out_of_range_are_refused(tmp_path: Path) -> None:
    files = cifar_files(CIFAR10)
    files["data_batch_2.bin"][4, 0] = 77
    write_archive(tmp_path / CIFAR10.archive, files, CIFAR10.folder)
    with pytest.raises(BadSourceError, match=r"labels from 0 to 9, got 77"):
        know_images(cifar(tmp_path))
