"""Fashion-MNIST: what the files hold is what is loaded; damaged files are refused."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.trainer.data.source_files import write_fashion, write_idx
from trainer.data import fashion_mnist
from trainer.data.fashion_mnist import PACKAGE_FOLDER
from trainer.data.images import know_images, load_images, open_source
from trainer.errors import BadSourceError, DataSettingsError, MissingSourceError
from trainer.settings import DataSettings

TRAIN_IMAGES, TRAIN_LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"


def fashion(place: Path, **changes: object) -> DataSettings:
    content = {"source": "fashion_mnist", "folder": str(place), **changes}
    return DataSettings.model_validate(content)


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_images_and_labels_are_those_of_the_files(tmp_path: Path, suffix: str) -> None:
    arrays = write_fashion(tmp_path, suffix=suffix)
    data = load_images(fashion(tmp_path))
    pixels = torch.from_numpy(arrays[TRAIN_IMAGES]).double()
    for name, images, labels in (
        ("train", data.train_images_NCHW, data.train_labels_N),
        ("t10k", data.test_images_NCHW, data.test_labels_N),
    ):
        written = torch.from_numpy(arrays[f"{name}-images-idx3-ubyte"]).double()[:, None]
        expected = (written - pixels.mean()) / pixels.std()
        torch.testing.assert_close(images.double(), expected, atol=1e-5, rtol=0)
        assert labels.tolist() == arrays[f"{name}-labels-idx1-ubyte"].tolist()
    assert data.image_shape == (1, 6, 6)


def test_facts_are_those_of_the_data_though_no_image_is_read(tmp_path: Path) -> None:
    write_fashion(tmp_path)
    settings = fashion(tmp_path, limit=70, imbalance=4.0)
    data = load_images(settings)
    images = tmp_path / TRAIN_IMAGES
    images.write_bytes(images.read_bytes()[:16])  # the header is left
    facts = know_images(settings)
    assert facts.train_count == len(data.train_labels_N) < 70
    assert facts.test_count == len(data.test_labels_N) == 60
    assert (facts.class_count, facts.image_shape) == (data.class_count, data.image_shape)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def cut_header(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:6])


def lengthen(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"x")


def replace(path: Path) -> None:
    path.write_bytes(b"<html>not found</html>")


@pytest.mark.parametrize(
    ("name", "damage", "message"),
    [
        (TRAIN_IMAGES, cut, r"120 x 6 x 6 = 4320 bytes, but 4319 follow; the file is damaged"),
        (TRAIN_IMAGES, lengthen, r"4320 bytes, but 4321 follow"),
        (TRAIN_LABELS, cut, r"labels.*120 = 120 bytes, but 119 follow"),
        (TRAIN_IMAGES, cut_header, r"ends within its header"),
        (TRAIN_IMAGES, replace, r"magic number 0x00000803\), got 0x3c68746d"),
        (TRAIN_LABELS, replace, r"magic number 0x00000801\), got 0x3c68746d"),
    ],
)
def test_damaged_files_are_refused(
    tmp_path: Path, name: str, damage: Callable[[Path], None], message: str
) -> None:
    write_fashion(tmp_path)
    damage(tmp_path / name)
    with pytest.raises(BadSourceError, match=message):
        load_images(fashion(tmp_path))


@pytest.mark.parametrize("damage", [cut, cut_header, replace])
def test_damaged_compression_is_refused(tmp_path: Path, damage: Callable[[Path], None]) -> None:
    write_fashion(tmp_path, suffix=".gz")
    damage(tmp_path / f"{TRAIN_LABELS}.gz")
    with pytest.raises(BadSourceError, match=r"expected a whole gzip file"):
        open_source(fashion(tmp_path))


def test_labels_out_of_range_and_missing_classes_are_refused(tmp_path: Path) -> None:
    arrays = write_fashion(tmp_path)
    labels = arrays[TRAIN_LABELS].copy()
    labels[3] = 10
    write_idx(tmp_path / TRAIN_LABELS, labels)
    with pytest.raises(BadSourceError, match=r"labels from 0 to 9, got 10 \(1 of 120"):
        open_source(fashion(tmp_path))
    labels = arrays[TRAIN_LABELS].copy()
    labels[labels == 4] = 5
    write_idx(tmp_path / TRAIN_LABELS, labels)
    with pytest.raises(BadSourceError, match=r"got none of class 4 \(1 are missing\)"):
        open_source(fashion(tmp_path))


def test_files_of_two_datasets_are_refused(tmp_path: Path) -> None:
    write_fashion(tmp_path)
    other = tmp_path / "other"
    other.mkdir()
    arrays = write_fashion(other, each=8, size=5)
    write_idx(tmp_path / "t10k-images-idx3-ubyte", arrays["t10k-images-idx3-ubyte"])
    with pytest.raises(BadSourceError, match=r"40 images.*60 labels"):
        open_source(fashion(tmp_path))
    write_idx(tmp_path / "t10k-labels-idx1-ubyte", arrays["t10k-labels-idx1-ubyte"])
    with pytest.raises(BadSourceError, match=r"train images are 6 x 6, test images 5 x 5"):
        open_source(fashion(tmp_path))


def test_a_blank_file_is_refused(tmp_path: Path) -> None:
    arrays = write_fashion(tmp_path)
    write_idx(tmp_path / TRAIN_IMAGES, np.zeros_like(arrays[TRAIN_IMAGES]))
    with pytest.raises(BadSourceError, match=r"all pixels are 0"):
        load_images(fashion(tmp_path))


def test_what_is_not_there_is_refused_with_the_command_that_gets_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = "apt-get install dataset-fashion-mnist; or run: rankfall data get fashion_mnist"
    with pytest.raises(MissingSourceError, match=f"neither train-images.*{command}"):
        know_images(fashion(tmp_path))
    with pytest.raises(MissingSourceError, match=f"data.folder: there is no folder.*{command}"):
        know_images(fashion(tmp_path / "none"))
    monkeypatch.setattr(fashion_mnist, "PACKAGE_FOLDER", tmp_path / "none")
    with pytest.raises(MissingSourceError, match=f"data.source: there is no folder.*{command}"):
        know_images(DataSettings(source="fashion_mnist"))


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("test_fraction", 0.3, "has a test split of its own; leave it out for fashion_mnist"),
        ("image_size", 32, "images have the size of the file"),
        ("colour", "rgb", "images are grey"),
        ("limit", 9, "expected at least 10, one image of each class, got 9"),
        ("folder", "data", "expected the absolute path of a folder on this machine, got 'data'"),
    ],
)
def test_settings_that_do_not_apply_are_refused(
    tmp_path: Path, name: str, value: object, message: str
) -> None:
    write_fashion(tmp_path)
    with pytest.raises(DataSettingsError, match=message) as caught:
        know_images(fashion(tmp_path, **{name: value}))
    assert caught.value.field == name


@pytest.mark.skipif(
    not PACKAGE_FOLDER.is_dir(), reason="run: apt-get install dataset-fashion-mnist"
)
def test_raw_pixels_of_the_real_images_tell_their_classes() -> None:
    data = load_images(DataSettings(source="fashion_mnist", limit=2000))
    assert data.image_shape == (1, 28, 28)
    assert data.train_labels_N.bincount().tolist() == [200] * 10
    distances_NM = torch.cdist(data.test_images_NCHW.flatten(1), data.train_images_NCHW.flatten(1))
    nearest_N5 = distances_NM.topk(5, largest=False).indices
    voted_N = data.train_labels_N[nearest_N5].mode(dim=1).values
    assert (voted_N == data.test_labels_N).float().mean() > 0.7  # 0.769 was measured
    assert distances_NM.min() > 0, "no test image is also a train image"
