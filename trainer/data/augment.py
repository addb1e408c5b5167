"""Random views of images, batched and drawn from a given generator.

The simple policy is here; the others (``policies``) see pixels in [0, 1], so images are taken back
to pixels for them and their views standardised again.

Shape legend: B = images, V = views of each, N = all of them, or test images, C = channels, H =
height, W = width.
"""

import torch
from torch import Tensor
from torch.nn import functional

from trainer.data.image_data import ImageData, PixelScale
from trainer.data.policies import draw_by_policy
from trainer.data.transfer import send
from trainer.seeds import generator_for
from trainer.settings import AugmentSettings, DataSettings

_IMAGES_AT_ONCE = 1024


def draw_views(
    images_BCHW: Tensor,
    scale: PixelScale,
    settings: AugmentSettings,
    generator: torch.Generator,
    count: int = 1,
) -> Tensor:
    """Return random views of each image, by the policy of the settings.

    Args:
        images_BCHW: Standardised images, shape (B, C, H, W).
        scale: How they were standardised.
        settings: Policy and strengths.
        generator: CPU generator; the views depend on nothing else, so they can be made again.
        count: Views of each image.

    Returns:
        Standardised views, shape (V, B, C, H, W), in dtype and device of the images.
    """
    if settings.policy == "simple":
        return torch.stack([augment(images_BCHW, settings, generator) for _ in range(count)])
    pixels_NCHW = scale.restore(images_BCHW).repeat(count, 1, 1, 1)
    pieces = torch.split(pixels_NCHW, _IMAGES_AT_ONCE)
    views_NCHW = torch.cat([draw_by_policy(piece, settings, generator) for piece in pieces])
    return scale.standardise(views_NCHW).view(count, *images_BCHW.shape)


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


def evaluation_view(data: ImageData, settings: DataSettings) -> Tensor:
    """Return the one view of each test image that ``alignment`` is measured with.

    Fixed by the split's seed: equal for all replicates of a study.
    """
    generator = generator_for(settings.split_seed, "evaluation-view")
    return draw_views(data.test_images_NCHW, data.scale, settings.augment, generator)[0]


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
