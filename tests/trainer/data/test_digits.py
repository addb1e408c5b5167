"""The digits: a split without overlap, equal class shares, standardised by the train split."""

import pytest
import torch
from sklearn.datasets import load_digits
from torch import Tensor

from trainer.data.image_data import ImageData, PixelScale
from trainer.data.images import load_images
from trainer.settings import DataSettings


def load(split_seed: int = 0, test_fraction: float = 0.3) -> ImageData:
    return load_images(
        DataSettings(source="digits", split_seed=split_seed, test_fraction=test_fraction)
    )


def fingerprints(data: ImageData, images_NCHW: Tensor) -> list[tuple[int, ...]]:
    """Return each image as the whole grey levels it had before it was standardised."""
    low = torch.cat([data.train_images_NCHW, data.test_images_NCHW]).min()
    high = torch.cat([data.train_images_NCHW, data.test_images_NCHW]).max()
    levels = ((images_NCHW - low) / (high - low) * 16).round().int()
    return [tuple(row) for row in levels.flatten(1).tolist()]


def test_every_image_is_in_exactly_one_split() -> None:
    data = load()
    train = fingerprints(data, data.train_images_NCHW)
    test = fingerprints(data, data.test_images_NCHW)
    original = [tuple(row) for row in load_digits().data.astype(int).tolist()]
    assert len(set(original)) == len(original), "otherwise images could not be told apart"
    assert not set(train) & set(test)
    assert sorted(train + test) == sorted(original)


def test_labels_stay_with_their_images() -> None:
    data, bunch = load(), load_digits()
    label_of = {
        tuple(row): int(label)
        for row, label in zip(bunch.data.astype(int).tolist(), bunch.target, strict=True)
    }
    for images, labels in (
        (data.train_images_NCHW, data.train_labels_N),
        (data.test_images_NCHW, data.test_labels_N),
    ):
        assert [label_of[f] for f in fingerprints(data, images)] == labels.tolist()


@pytest.mark.parametrize("test_fraction", [0.1, 0.3, 0.5])
def test_classes_have_equal_shares_of_both_splits(test_fraction: float) -> None:
    data = load(test_fraction=test_fraction)
    train_C, test_C = data.train_labels_N.bincount(), data.test_labels_N.bincount()
    assert len(train_C) == len(test_C) == data.class_count == 10
    wanted_C = test_fraction * (train_C + test_C)
    assert (test_C - wanted_C).abs().max() <= 1


def test_the_split_is_fixed_by_its_seed() -> None:
    assert torch.equal(load(3).test_images_NCHW, load(3).test_images_NCHW)
    assert not torch.equal(load(3).test_images_NCHW, load(4).test_images_NCHW)


def test_images_are_standardised_by_the_train_split() -> None:
    train_NCHW = load().train_images_NCHW
    assert train_NCHW.mean().item() == pytest.approx(0.0, abs=1e-5)
    assert train_NCHW.std().item() == pytest.approx(1.0, abs=1e-5)


def test_nothing_of_the_test_split_enters_the_standardisation() -> None:
    train, test = torch.tensor([[0.0, 2.0]]), torch.tensor([[100.0, -50.0]])
    scale = PixelScale.of(train)
    scaled_train, scaled_test = scale.standardise(train), scale.standardise(test)
    assert torch.equal(scaled_train, (train - 1) / 2**0.5)
    assert torch.equal(scaled_test, (test - 1) / 2**0.5)


def test_the_factory_loads_the_source_by_name() -> None:
    settings = DataSettings(source="digits", split_seed=2)
    data = load_images(settings)
    assert torch.equal(data.test_images_NCHW, load(2).test_images_NCHW)
    assert data.image_shape == (1, 8, 8)
    assert data.train_images_NCHW.shape[1:] == (1, 8, 8)
    assert data.train_images_NCHW.dtype == torch.float32
    assert data.train_labels_N.dtype == torch.int64


def test_moving_converts_images_and_keeps_labels() -> None:
    data = load()
    moved = data.to(torch.device("cpu"), torch.float64)
    assert moved.train_images_NCHW.dtype == moved.test_images_NCHW.dtype == torch.float64
    assert torch.equal(moved.train_images_NCHW.float(), data.train_images_NCHW)
    assert torch.equal(moved.test_labels_N, data.test_labels_N)
