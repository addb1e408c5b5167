"""Fashion-MNIST: 70,000 grey 28 x 28 images of clothes, 10 classes, split 60,000 + 10,000.

Debian has them as a package. A folder of one's own may hold any data in the same four files, of
ten classes and any size.

References:
    Xiao, Rasul & Vollgraf, "Fashion-MNIST", 2017, arXiv:1708.07747.
"""

from pathlib import Path

import numpy as np

from trainer.data.idx import find_idx, read_idx, read_idx_shape
from trainer.data.image_source import (
    Bytes,
    ImageSource,
    SourceSplit,
    Whole,
    folder_of,
    refuse_given,
)
from trainer.errors import BadSourceError
from trainer.settings import DataSettings

PACKAGE_FOLDER = Path("/usr/share/datasets/fashion-mnist")
_CLASS_COUNT = 10
_HOW_TO_GET = (
    "run: apt-get install dataset-fashion-mnist; or run: rankfall data get fashion_mnist, and give "
    "the folder that it names as data.folder"
)


def open_fashion_mnist(settings: DataSettings) -> ImageSource:
    """Read the labels and the headers.

    Raises:
        MissingSourceError: If a file is not there.
        BadSourceError: If one is damaged or does not match the others.
        DataSettingsError: If settings are given that do not apply; the test split is the
            source's own, so ``test_fraction`` is one of them.
    """
    refuse_given(
        settings,
        {
            "test_fraction": "the source has a test split of its own",
            "image_size": "images have the size of the file",
            "colour": "images are grey",
        },
    )
    folder = folder_of(settings, _HOW_TO_GET, PACKAGE_FOLDER)
    train, train_shape = _open_split(folder, "train")
    test, test_shape = _open_split(folder, "t10k")
    if train_shape != test_shape:
        raise BadSourceError(
            "source",
            f"{folder}: train images are {train_shape[0]} x {train_shape[1]}, test images "
            f"{test_shape[0]} x {test_shape[1]}; are these files of two datasets?",
        )
    return ImageSource(train, test, _CLASS_COUNT, (1, *train_shape))


def _open_split(folder: Path, name: str) -> tuple[SourceSplit, tuple[int, int]]:
    images_path = find_idx(folder, f"{name}-images-idx3-ubyte", _HOW_TO_GET)
    labels_path = find_idx(folder, f"{name}-labels-idx1-ubyte", _HOW_TO_GET)
    labels_N = read_idx(labels_path, 1).astype(np.int64)
    count, height, width = read_idx_shape(images_path, 3)
    if count != len(labels_N):
        raise BadSourceError(
            "source",
            f"{images_path} has {count} images, {labels_path} {len(labels_N)} labels; "
            "are these files of two datasets?",
        )

    def read(rows_n: Whole) -> Bytes:
        return read_idx(images_path, 3)[rows_n][:, None]

    return SourceSplit(str(labels_path), labels_N, read), (height, width)
