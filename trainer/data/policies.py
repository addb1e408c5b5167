"""Random views by published policies, in kornia's operations: SimCLR, AutoAugment, RandAugment.

All start with a random crop, scaled back to the image, and a mirror image. Images are pixels in
[0, 1]; every image of a batch gets draws of its own, AutoAugment's and RandAugment's choice of
operations among them (kornia's own containers choose once for a batch).

kornia draws from PyTorch's global generator, on the CPU: it is seeded for the length of one call
and put back as it was.

Shape legend: B = images, C = channels (1 or 3), H = height, W = width, K = choices, n = images
of one choice.

References:
    Chen et al., "A Simple Framework for Contrastive Learning of Visual Representations", ICML
    2020, arXiv:2002.05709, appendix A (operations), B.9 (strengths for CIFAR-10).
    Cubuk et al., "AutoAugment", CVPR 2019, arXiv:1805.09501.
    Cubuk et al., "RandAugment", NeurIPS 2020, arXiv:1909.13719.
    Riba et al., "Kornia", WACV 2020, arXiv:1910.02190.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Literal, assert_never

import torch
from torch import Tensor, nn

from trainer.data.transfer import send
from trainer.seeds import SEED_LIMIT
from trainer.settings import AugmentSettings

View = Callable[[Tensor], Tensor]

_BLUR_PIXELS = (0.1, 2.0)
_JITTER_PROBABILITY = 0.8


def draw_by_policy(
    pixels_BCHW: Tensor, settings: AugmentSettings, generator: torch.Generator
) -> Tensor:
    """Return one random view per image.

    Args:
        pixels_BCHW: Values in [0, 1].
        settings: Policy and strengths; the policy is not ``simple``.
        generator: CPU generator; the views depend on nothing else, and PyTorch's global
            generators are left as they were.

    Returns:
        Views in [0, 1], of the same shape, dtype and device.
    """
    view = _build_policy(settings, *pixels_BCHW.shape[1:])
    seed = int(torch.randint(SEED_LIMIT, (), generator=generator))
    # Only the CPU's: kornia draws there wherever the images are.
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.default_generator.manual_seed(seed)
        return view(pixels_BCHW).clamp(0, 1)


@lru_cache(maxsize=64)
def _build_policy(settings: AugmentSettings, channels: int, height: int, width: int) -> View:
    match settings.policy:
        case "simple":
            raise AssertionError("the simple policy is not one of kornia's")
        case "simclr":
            parts = _simclr(settings, channels == 3, min(height, width))
        case "autoaugment":
            parts = [_in_colours(_autoaugment(settings.learned_on))]
        case "randaugment":
            parts = [_in_colours(_randaugment(settings.operations, settings.magnitude))]
        case unreachable:
            assert_never(unreachable)
    return _chain([*_crop_and_flip(settings, (height, width)), *parts])


def _crop_and_flip(settings: AugmentSettings, size: tuple[int, int]) -> list[View]:
    from kornia.augmentation import (  # noqa: PLC0415 (one second, for these policies alone)
        RandomHorizontalFlip,
        RandomResizedCrop,
    )

    # "resample" cuts the whole batch at once; "slice" loops over the images.
    crop = RandomResizedCrop(size, scale=(settings.crop_low, 1.0), cropping_mode="resample")
    return [crop, RandomHorizontalFlip(p=settings.flip)]


def _simclr(settings: AugmentSettings, is_colour: bool, size: int) -> list[View]:
    """Return colour jitter, loss of colours, blur; of a grey image brightness and contrast."""
    from kornia.augmentation import (  # noqa: PLC0415
        ColorJitter,
        RandomGaussianBlur,
        RandomGrayscale,
    )

    strong, weak = 0.8 * settings.jitter, 0.2 * settings.jitter
    parts: list[View] = []
    if settings.jitter:
        colours = (strong, weak) if is_colour else (0.0, 0.0)
        parts.append(ColorJitter(strong, strong, *colours, p=_JITTER_PROBABILITY))
    if is_colour and settings.drop_colour:
        parts.append(RandomGrayscale(p=settings.drop_colour))
    if settings.blur:
        width = max(3, size // 10 // 2 * 2 + 1)  # odd
        parts.append(RandomGaussianBlur((width, width), _BLUR_PIXELS, p=settings.blur))
    return parts


def _autoaugment(learned_on: Literal["cifar10", "svhn", "imagenet"]) -> View:
    """Return one of the 25 learned pairs of operations for each image."""
    from kornia.augmentation.auto import AutoAugment  # noqa: PLC0415

    policy = AutoAugment(learned_on, transformation_matrix_mode="skip")
    return _one_of_each(list(policy.children()))


def _randaugment(operations: int, magnitude: float) -> View:
    """Return so many random operations for each image, drawn with replacement as in the paper."""
    from kornia.augmentation.auto import RandAugment  # noqa: PLC0415
    from kornia.augmentation.auto.rand_augment.rand_augment import (  # noqa: PLC0415
        default_policy,
    )

    choices = [
        RandAugment(1, magnitude, [operation], "skip")  # type: ignore[arg-type]
        for operation in default_policy
    ]
    return _chain([_one_of_each(choices)] * operations)


def _one_of_each(choices: Sequence[nn.Module]) -> View:
    """Return a view that draws one of K choices for each image."""

    def view(pixels_BCHW: Tensor) -> Tensor:
        choice_B = torch.randint(len(choices), (len(pixels_BCHW),))
        views_BCHW = pixels_BCHW.clone()
        for number, choice in enumerate(choices):
            rows_n = send((choice_B == number).nonzero().flatten(), pixels_BCHW)
            if len(rows_n):
                views_BCHW[rows_n] = choice(pixels_BCHW[rows_n])
        return views_BCHW

    return view


def _in_colours(view: View) -> View:
    """Return a view of grey images by one of colour images: their three channels stay equal."""

    def grey_too(pixels_BCHW: Tensor) -> Tensor:
        if pixels_BCHW.shape[1] == 3:
            return view(pixels_BCHW)
        return view(pixels_BCHW.expand(-1, 3, -1, -1))[:, :1]

    return grey_too


def _chain(views: Sequence[View]) -> View:
    def chained(pixels_BCHW: Tensor) -> Tensor:
        for view in views:
            pixels_BCHW = view(pixels_BCHW)
        return pixels_BCHW

    return chained
