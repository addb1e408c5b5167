"""Random views of images, batched and drawn from a given generator.

Shape legend: B = images, C = channels, H = height, W = width.
"""

import torch
from torch import Tensor
from torch.nn import functional

from trainer.data.transfer import send
from trainer.seeds import generator_for
from trainer.settings import AugmentSettings, DataSettings


def augment(images_BCHW: Tensor, settings: AugmentSettings, generator: torch.Generator) -> Tensor:
    """Return one random view per image: shift, scale, intensity, noise, in this order.

    Args:
        images_BCHW: Standardised images, shape (B, C, H, W).
        settings: Strength of each part; zero switches it off.
        generator: CPU generator; the view depends on nothing else, so it can be made again.

    Returns:
        Views of the same shape, dtype and device. Pixels from outside the image take the value
        of its border.
    """
    count = len(images_BCHW)
    uniform_4B = torch.rand(4, count, generator=generator) * 2 - 1
    noise_BCHW = torch.randn(images_BCHW.shape, generator=generator)
    uniform_4B = send(uniform_4B, images_BCHW)
    views_BCHW = _shift_and_scale(images_BCHW, settings, uniform_4B[:3])
    views_BCHW = views_BCHW * (1 + settings.intensity * uniform_4B[3]).view(-1, 1, 1, 1)
    return views_BCHW + settings.noise_std * send(noise_BCHW, images_BCHW)


def evaluation_view(test_NCHW: Tensor, settings: DataSettings) -> Tensor:
    """Return the one view of each test image that ``alignment`` is measured with.

    Fixed by the split's seed: equal for all replicates of a study.
    """
    generator = generator_for(settings.split_seed, "evaluation-view")
    return augment(test_NCHW, settings.augment, generator)


def _shift_and_scale(images_BCHW: Tensor, settings: AugmentSettings, uniform_3B: Tensor) -> Tensor:
    height, width = images_BCHW.shape[-2:]
    zoom_B = 1 + settings.scale * uniform_3B[0]
    # grid_sample's coordinates run from -1 to 1 over the image: one pixel is 2 / size.
    shift_x_B = settings.shift_pixels * uniform_3B[1] * 2 / width
    shift_y_B = settings.shift_pixels * uniform_3B[2] * 2 / height
    zero_B = torch.zeros_like(zoom_B)
    rows_BX = torch.stack([zoom_B, zero_B, shift_x_B], dim=-1)
    rows_BY = torch.stack([zero_B, zoom_B, shift_y_B], dim=-1)
    affine_B23 = torch.stack([rows_BX, rows_BY], dim=1)
    grid_BHW2 = functional.affine_grid(affine_B23, list(images_BCHW.shape), align_corners=False)
    return functional.grid_sample(
        images_BCHW, grid_BHW2, mode="bilinear", padding_mode="border", align_corners=False
    )
