"""Batches whose randomness is keyed by (seed, step), so that any batch can be made again.

Shape legend: N = images, V = 2 views, B = batch, F = flat pixels.
"""

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from trainer.data.augment import draw_views
from trainer.data.image_data import EncodedViews, ImageData
from trainer.data.transfer import send
from trainer.seeds import generator_for
from trainer.settings import AugmentSettings


@dataclass(frozen=True, slots=True)
class ViewBatch:
    """Two views of B samples: of images, or a sound and its caption.

    Attributes:
        views_VBF: Flat views, shape (2, B, F).
        indices_B: Position of each sample in the train split.
    """

    views_VBF: Tensor
    indices_B: Tensor


class Stream(Protocol):
    """The batches of one replicate."""

    def batch_at(self, step: int) -> ViewBatch:
        """Return the batch of optimiser step ``step`` (from 0), always the same one."""
        ...


@dataclass(frozen=True, slots=True)
class BatchStream:
    """The batches of one replicate: epochs without replacement, ragged rest dropped."""

    data: ImageData
    augmentation: AugmentSettings
    batch_size: int
    seed: int

    def batch_at(self, step: int) -> ViewBatch:
        """Return the batch of optimiser step ``step`` (from 0), always the same one."""
        indices_B = self.indices_at(step)
        generator = generator_for(self.seed, "augment", step)
        if self.data.views is not None:
            return ViewBatch(_pick_views(self.data.views, indices_B, generator), indices_B)
        images_BCHW = self.data.train_images_NCHW[indices_B]
        views_VBCHW = draw_views(
            images_BCHW, self.data.scale, self.augmentation, generator, count=2
        )
        return ViewBatch(views_VBCHW.flatten(2), indices_B)

    def indices_at(self, step: int) -> Tensor:
        """Return which train images step ``step`` sees, shape (B,)."""
        labels_N = self.data.train_labels_N
        return send(draw_rows(len(labels_N), self.batch_size, self.seed, step), labels_N)


def draw_rows(count: int, batch_size: int, seed: int, step: int) -> Tensor:
    """Return which of so many rows a step sees, (B,), on the CPU: epochs, each in a new order."""
    epoch, position = divmod(step, count // batch_size)
    order_N = torch.randperm(count, generator=generator_for(seed, "epoch", epoch))
    start = position * batch_size
    return order_N[start : start + batch_size]


def _pick_views(encoded: EncodedViews, indices_B: Tensor, generator: torch.Generator) -> Tensor:
    """Return two different ones of the V encoded views of each image, (2, B, F)."""
    draw_BV = torch.rand(len(indices_B), len(encoded.train_VNF), generator=generator)
    picks_2B = send(draw_BV.argsort(dim=1)[:, :2].T, indices_B)
    return encoded.train_VNF[picks_2B, indices_B]


def draw_label_mask(labels_N: Tensor, fraction: float, seed: int) -> Tensor:
    """Choose whose labels may be used: a stratified share, drawn once per replicate.

    Drawing anew for each batch would leak every label over training, so the subset is fixed
    by the seed and *nested*: a larger fraction contains every smaller one of the same seed.

    Args:
        labels_N: int64 classes of the train split, shape (N,).
        fraction: Share in [0, 1]; each class keeps ``ceil(fraction * size)`` samples.
        seed: The replicate's seed.

    Returns:
        Boolean mask, shape (N,), on the device of ``labels_N``.
    """
    order_N = torch.randperm(len(labels_N), generator=generator_for(seed, "label-subset"))
    shuffled_N = labels_N.cpu()[order_N]
    mask_N = torch.zeros(len(labels_N), dtype=torch.bool)
    for label in sorted(set(shuffled_N.tolist())):
        members = order_N[shuffled_N == label]
        mask_N[members[: _ceil(fraction * len(members))]] = True
    return mask_N.to(labels_N.device)


def _ceil(value: float) -> int:
    # 0.1 * 30 is 3.0000000000000004: round-off must not add a sample.
    return -int(-(value - 1e-9) // 1)
