"""scikit-learn's digits: 1,797 real 8 x 8 images of handwritten digits, 10 classes.

They ship inside the scikit-learn wheel, so nothing is downloaded.

References:
    Alpaydin & Kaynak, "Optical Recognition of Handwritten Digits", UCI 1998.
"""

import torch

from trainer.data.image_data import ImageData, standardise
from trainer.settings import DataSettings

_CLASS_COUNT = 10
_BRIGHTEST = 16.0


def load_digits_images(settings: DataSettings) -> ImageData:
    """Load the digits, split with equal class shares by ``settings.split_seed``."""
    # Here, for importing scikit-learn takes 4 CPU-seconds, and of a lane's processes only the
    # workers load data.
    from sklearn.datasets import load_digits  # noqa: PLC0415
    from sklearn.model_selection import train_test_split  # noqa: PLC0415

    bunch = load_digits()
    train_images, test_images, train_labels, test_labels = train_test_split(
        bunch.images,
        bunch.target,
        test_size=settings.test_fraction,
        random_state=settings.split_seed,
        stratify=bunch.target,
    )
    train_NCHW, test_NCHW = standardise(
        torch.as_tensor(train_images, dtype=torch.float32).unsqueeze(1) / _BRIGHTEST,
        torch.as_tensor(test_images, dtype=torch.float32).unsqueeze(1) / _BRIGHTEST,
    )
    return ImageData(
        train_images_NCHW=train_NCHW,
        train_labels_N=torch.as_tensor(train_labels, dtype=torch.int64),
        test_images_NCHW=test_NCHW,
        test_labels_N=torch.as_tensor(test_labels, dtype=torch.int64),
        class_count=_CLASS_COUNT,
    )
