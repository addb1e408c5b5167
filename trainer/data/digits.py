"""scikit-learn's digits: 1,797 real 8 x 8 images of handwritten digits, 10 classes.

They ship inside the scikit-learn wheel, so nothing is downloaded.

References:
    Alpaydin & Kaynak, "Optical Recognition of Handwritten Digits", UCI 1998.
"""

from functools import cache

import numpy as np

from trainer.data.image_source import Bytes, ImageSource, SourceSplit, Whole, refuse_given
from trainer.errors import DataSettingsError
from trainer.settings import DataSettings

IMAGE_COUNT = 1797
CLASS_COUNT = 10
IMAGE_SHAPE = (1, 8, 8)
_BRIGHTEST = 16


def check_digits(settings: DataSettings) -> None:
    """Check that the settings apply to the digits.

    Raises:
        DataSettingsError: If one does not, or ``test_fraction`` is null.
    """
    refuse_given(
        settings,
        {
            "folder": "they ship with scikit-learn",
            "image_size": "images are 8 x 8",
            "colour": "images are grey",
        },
    )
    if settings.test_fraction is None:
        raise DataSettingsError(
            "test_fraction", "expected a number, for the digits have no test split of their own"
        )


def open_digits(settings: DataSettings) -> ImageSource:
    """Load the digits, as one set of images without a test split.

    Raises:
        DataSettingsError: As :func:`check_digits`.
    """
    check_digits(settings)
    images_NCHW, labels_N = _load()

    def read(rows_n: Whole) -> Bytes:
        return images_NCHW[rows_n]

    split = SourceSplit("digits", labels_N, read)
    return ImageSource(split, None, CLASS_COUNT, IMAGE_SHAPE, _BRIGHTEST)


@cache
def _load() -> tuple[Bytes, Whole]:
    # Here, for importing scikit-learn takes 4 CPU-seconds, and of a lane's processes only the
    # workers load data.
    from sklearn.datasets import load_digits  # noqa: PLC0415

    bunch = load_digits()
    return bunch.images[:, None].astype(np.uint8), bunch.target.astype(np.int64)
