"""What every image source yields: a train and a test split, standardised.

Shape legend: N = images, C = channels, H = height, W = width.
"""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class PixelScale:
    """How pixels in [0, 1] are standardised: by the train split's mean and deviation."""

    mean: float = 0.0
    std: float = 1.0

    @classmethod
    def of(cls, train_NCHW: Tensor) -> "PixelScale":
        """Measure the pixels of a train split."""
        return cls(train_NCHW.mean().item(), train_NCHW.std().item())

    def standardise(self, pixels_NCHW: Tensor) -> Tensor:
        """Shift and scale to mean 0 and deviation 1 on the train split."""
        return (pixels_NCHW - self.mean) / self.std

    def restore(self, images_NCHW: Tensor) -> Tensor:
        """Undo :meth:`standardise` but for round-off; values are in [0, 1]."""
        return (images_NCHW * self.std + self.mean).clamp(0, 1)


@dataclass(frozen=True, slots=True)
class EncodedViews:
    """What a frozen encoder made of augmented images.

    Attributes:
        train_VNF: Features of V views of each train image; memory-mapped on the CPU.
        partner_NF: Features of the evaluation's fixed view of each test image.
    """

    train_VNF: Tensor
    partner_NF: Tensor


@dataclass(frozen=True, slots=True)
class ImageData:
    """Images with classes, split once by the study's ``split_seed``.

    Before a frozen encoder, images are its features: F channels of one pixel, with ``views`` in
    the place of augmentation.

    Attributes:
        train_images_NCHW: float32, standardised by the train split's mean and deviation.
        train_labels_N: int64, 0 .. class_count - 1.
        test_images_NCHW: As the train images, by the *train* split's mean and deviation.
        test_labels_N: As the train labels.
        class_count: Number of classes.
        views: Set for features of a frozen encoder.
        scale: How the images were standardised.
    """

    train_images_NCHW: Tensor
    train_labels_N: Tensor
    test_images_NCHW: Tensor
    test_labels_N: Tensor
    class_count: int
    views: EncodedViews | None = None
    scale: PixelScale = PixelScale()

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Channels, height and width of an image."""
        channels, height, width = self.train_images_NCHW.shape[1:]
        return channels, height, width

    def to(self, device: torch.device, dtype: torch.dtype) -> "ImageData":
        """Return the same data on ``device``, images in ``dtype``."""
        return ImageData(
            train_images_NCHW=self.train_images_NCHW.to(device, dtype),
            train_labels_N=self.train_labels_N.to(device),
            test_images_NCHW=self.test_images_NCHW.to(device, dtype),
            test_labels_N=self.test_labels_N.to(device),
            class_count=self.class_count,
            views=self.views
            and EncodedViews(
                self.views.train_VNF.to(device, dtype), self.views.partner_NF.to(device, dtype)
            ),
            scale=self.scale,
        )
