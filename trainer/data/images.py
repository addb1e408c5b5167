"""The one factory of image sources, and what is known of one before its images are read.

Nothing is downloaded: a source that is not on disk is refused, with what to do.

Shape legend: n = images, C = channels, H = height, W = width.
"""

from dataclasses import dataclass
from typing import assert_never

import torch
from torch import Tensor

from trainer.data.cifar import CIFAR10, CIFAR100, open_cifar
from trainer.data.digits import (
    CLASS_COUNT,
    IMAGE_COUNT,
    IMAGE_SHAPE,
    check_digits,
    open_digits,
)
from trainer.data.fashion_mnist import open_fashion_mnist
from trainer.data.glyphs import open_glyphs
from trainer.data.image_data import ImageData, PixelScale
from trainer.data.image_folder import open_image_folder
from trainer.data.image_source import ImageSource, SourceSplit, Whole, check_labels
from trainer.data.subsets import choose_rows, keep_classes, split_sizes
from trainer.errors import BadSourceError
from trainer.settings import DataSettings


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """What is known of a study's images without reading them.

    Attributes:
        train_count: Images to train with, after limit and imbalance.
        test_count: Images to test with, after the limit.
        class_count: Number of classes; both splits have all of them.
        image_shape: Channels, height, width.
    """

    train_count: int
    test_count: int
    class_count: int
    image_shape: tuple[int, int, int]


def load_images(settings: DataSettings) -> ImageData:
    """Load the source that ``settings`` names, split and standardised, on the CPU.

    A source's own train and test splits are kept.

    Raises:
        DataError: If the source is not on disk, is damaged, or does not take the settings.
    """
    source = open_source(settings)
    rows = choose_rows(source, settings)
    test = source.train if source.test is None else source.test
    train_NCHW = _read(source.train, rows.train_n, source.brightest)
    test_NCHW = _read(test, rows.test_n, source.brightest)
    scale = PixelScale.of(train_NCHW)
    return ImageData(
        train_images_NCHW=scale.standardise(train_NCHW),
        train_labels_N=torch.from_numpy(source.train.labels_N[rows.train_n]),
        test_images_NCHW=scale.standardise(test_NCHW),
        test_labels_N=torch.from_numpy(test.labels_N[rows.test_n]),
        class_count=source.class_count,
        scale=scale,
    )


def know_images(settings: DataSettings) -> ImageFacts:
    """Return the facts of a source; labels are read, and no image.

    Raises:
        DataError: If the source is not on disk, is damaged as far as can be seen, or does not
            take the settings.
    """
    if settings.source == "digits" and _takes_all(settings):
        # Without scikit-learn, whose import costs a validation more than all the rest.
        check_digits(settings)
        assert settings.test_fraction is not None
        sizes = split_sizes(IMAGE_COUNT, CLASS_COUNT, settings.test_fraction)
        return ImageFacts(*sizes, CLASS_COUNT, IMAGE_SHAPE)
    source = open_source(settings)
    rows = choose_rows(source, settings)
    return ImageFacts(len(rows.train_n), len(rows.test_n), source.class_count, source.image_shape)


def _takes_all(settings: DataSettings) -> bool:
    return settings.classes is None and settings.limit is None and settings.imbalance == 1


def open_source(settings: DataSettings) -> ImageSource:
    """Return the source that ``settings`` names, its labels read and checked.

    Raises:
        DataError: As :func:`know_images`.
    """
    source = _open(settings)
    check_labels(source)
    return keep_classes(source, settings)


def _open(settings: DataSettings) -> ImageSource:
    match settings.source:
        case "digits":
            return open_digits(settings)
        case "glyphs":
            return open_glyphs(settings)
        case "fashion_mnist":
            return open_fashion_mnist(settings)
        case "cifar10":
            return open_cifar(settings, CIFAR10)
        case "cifar100":
            return open_cifar(settings, CIFAR100)
        case "image_folder":
            return open_image_folder(settings)
        case unreachable:
            assert_never(unreachable)


def _read(split: SourceSplit, rows_n: Whole, brightest: int) -> Tensor:
    """Return images as float32 in [0, 1], (n, C, H, W)."""
    pixels_nCHW = split.read(rows_n)
    if pixels_nCHW.min() == pixels_nCHW.max():
        raise BadSourceError(
            "source", f"{split.place}: all pixels are {pixels_nCHW.min()}; is the file damaged?"
        )
    return torch.tensor(pixels_nCHW, dtype=torch.float32) / brightest
