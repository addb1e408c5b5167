"""Image folders: each layout is read as it is; mixed, missing and unreadable files are refused."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tests.trainer.data.source_files import write_classes, write_image
from trainer.data.images import know_images, load_images, open_source
from trainer.errors import BadSourceError, DataError, DataSettingsError, MissingSourceError
from trainer.settings import DataSettings

CLASSES = ("ant", "bee", "cat")


def images_in(folder: Path, **changes: object) -> DataSettings:
    content = {"source": "image_folder", "folder": str(folder), "image_size": 8, **changes}
    return DataSettings.model_validate(content)


def write_tiny(folder: Path) -> None:
    """Write Tiny-ImageNet's layout: val in one folder, with a text file of classes."""
    lines = []
    for label, name in enumerate(CLASSES):
        for number in range(4):
            write_image(
                folder / "train" / name / "images" / f"{name}_{number}.JPEG",
                seed=10 * label + number,
                size=(8, 8),
            )
        write_image(folder / "val" / "images" / f"val_{label}.JPEG", seed=label, size=(8, 8))
        lines.append(f"val_{label}.JPEG\t{name}\t0\t0\t7\t7\n")
        (folder / "train" / name / f"{name}_boxes.txt").write_text("not an image")
    (folder / "val" / "val_annotations.txt").write_text("".join(reversed(lines)))
    write_image(folder / "test" / "images" / "test_0.JPEG", size=(8, 8))


@pytest.mark.parametrize("test_name", ["test", "val"])
def test_splits_of_a_folder_are_kept(tmp_path: Path, test_name: str) -> None:
    write_classes(tmp_path / "train", CLASSES)
    write_classes(tmp_path / test_name, CLASSES, each=2)
    source = open_source(images_in(tmp_path))
    assert source.test is not None
    assert source.train.labels_N.tolist() == [0] * 4 + [1] * 4 + [2] * 4
    assert source.test.labels_N.tolist() == [0, 0, 1, 1, 2, 2]
    pixels = source.train.read(np.array([6]))
    with Image.open(tmp_path / "train" / "bee" / "2.png") as image:
        assert pixels[0].tolist() == np.asarray(image).transpose(2, 0, 1).tolist()
    with pytest.raises(DataSettingsError, match=r"test_fraction: .* has a test split of its own"):
        open_source(images_in(tmp_path, test_fraction=0.5))


def test_tiny_imagenet_is_tested_with_its_val(tmp_path: Path) -> None:
    write_tiny(tmp_path)
    source = open_source(images_in(tmp_path))
    assert source.test is not None
    assert (len(source.train.labels_N), source.test.labels_N.tolist()) == (12, [0, 1, 2])
    assert source.test.read(np.array([0, 2])).shape == (2, 3, 8, 8)
    listing = tmp_path / "val" / "val_annotations.txt"
    listing.write_text(listing.read_text() + "val_9.JPEG\tdog\t0\t0\t7\t7\n")
    with pytest.raises(BadSourceError, match=r"val_annotations.txt:4: .* 3 classes .* got 'dog'"):
        open_source(images_in(tmp_path))


def test_a_folder_without_splits_is_split_by_its_seed(tmp_path: Path) -> None:
    write_classes(tmp_path, CLASSES, each=6)
    settings = images_in(tmp_path, test_fraction=0.5)
    data, facts = load_images(settings), know_images(settings)
    assert data.train_labels_N.bincount().tolist() == data.test_labels_N.bincount().tolist()
    assert (facts.train_count, facts.test_count, facts.image_shape) == (9, 9, (3, 8, 8))
    distances = torch.cdist(data.train_images_NCHW.flatten(1), data.test_images_NCHW.flatten(1))
    assert distances.min() > 1, "all 18 images differ: none is in both splits"
    assert torch.equal(load_images(settings).test_images_NCHW, data.test_images_NCHW)
    other = load_images(images_in(tmp_path, test_fraction=0.5, split_seed=1))
    assert not torch.equal(other.test_images_NCHW, data.test_images_NCHW)
    with pytest.raises(DataSettingsError, match=r"no test split of its own; give the share"):
        know_images(images_in(tmp_path))


def test_images_are_cut_to_their_middle_and_scaled(tmp_path: Path) -> None:
    write_classes(tmp_path, CLASSES)
    wide = np.zeros((8, 24, 3), np.uint8)
    wide[:, 7:17] = (10, 20, 30)  # scaling may look one pixel beyond the cut
    Image.fromarray(wide).save(tmp_path / "ant" / "0.png")
    settings = images_in(tmp_path, test_fraction=0.5, image_size=4)
    image = open_source(settings).train.read(np.array([0]))[0]
    assert image.shape == (3, 4, 4)
    assert np.array_equal(image, np.broadcast_to([[[10]], [[20]], [[30]]], (3, 4, 4)))


def test_grey_and_colour_are_not_mixed_unless_asked_to(tmp_path: Path) -> None:
    write_classes(tmp_path, CLASSES)
    write_image(tmp_path / "cat" / "3.png", mode="L", size=(8, 8))
    mixed = images_in(tmp_path, test_fraction=0.5)
    with pytest.raises(BadSourceError, match=r"cat/3.png: expected a colour image .* grey one"):
        load_images(mixed)
    for colour, channels in (("rgb", 3), ("grey", 1)):
        settings = images_in(tmp_path, test_fraction=0.5, colour=colour)
        assert load_images(settings).image_shape == (channels, 8, 8)
        assert know_images(settings).image_shape == (channels, 8, 8)
    write_image(tmp_path / "ant" / "0.png", mode="L", size=(8, 8))
    with pytest.raises(BadSourceError, match=r"expected a grey image .* got a colour one"):
        load_images(mixed)


def test_images_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    write_classes(tmp_path, CLASSES)
    path = tmp_path / "bee" / "1.png"
    settings = images_in(tmp_path, test_fraction=0.5, colour="rgb")
    whole = path.read_bytes()
    for content in (b"", b"GIF?", whole[: len(whole) // 2]):
        path.write_bytes(content)
        with pytest.raises(BadSourceError, match=r"bee/1.png: expected an image that can be read"):
            load_images(settings)


def test_deep_pixels_are_refused(tmp_path: Path) -> None:
    write_classes(tmp_path, CLASSES)
    Image.fromarray(np.ones((8, 8), np.uint16)).save(tmp_path / "ant" / "0.png")
    with pytest.raises(BadSourceError, match=r"expected 8 bits for each channel"):
        know_images(images_in(tmp_path, test_fraction=0.5))


def test_a_class_missing_in_one_split_is_named(tmp_path: Path) -> None:
    write_classes(tmp_path / "train", CLASSES)
    write_classes(tmp_path / "test", CLASSES[:2])
    with pytest.raises(BadSourceError, match=r"'cat' is missing in .*test"):
        open_source(images_in(tmp_path))
    write_classes(tmp_path / "test", ("cat", "dog"))
    with pytest.raises(BadSourceError, match=r"'dog' is missing in .*train"):
        open_source(images_in(tmp_path))


def test_folders_without_images_are_refused(tmp_path: Path) -> None:
    settings = images_in(tmp_path, test_fraction=0.5)
    with pytest.raises(BadSourceError, match=r"at least 2 classes .* got 0"):
        open_source(settings)
    write_classes(tmp_path, CLASSES)
    (tmp_path / "dog").mkdir()
    with pytest.raises(BadSourceError, match=r"class folder .*dog has no images"):
        open_source(settings)
    write_image(tmp_path / "dog" / "0.png", size=(8, 8))
    with pytest.raises(DataError, match=r"class 3 has one image; a split needs two"):
        know_images(settings)


def test_train_without_test_is_refused(tmp_path: Path) -> None:
    write_classes(tmp_path / "train", CLASSES)
    with pytest.raises(BadSourceError, match=r"has train, but neither test nor val beside it"):
        open_source(images_in(tmp_path))


def test_a_missing_folder_and_a_missing_size_are_refused(tmp_path: Path) -> None:
    with pytest.raises(MissingSourceError, match=r"rankfall data get tiny_imagenet"):
        know_images(images_in(tmp_path / "none"))
    with pytest.raises(DataSettingsError, match=r"image_size: image_folder needs it"):
        know_images(images_in(tmp_path, image_size=None))
