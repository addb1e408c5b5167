"""augment: every part switches off, moves what it should, and depends on its generator alone.

Shape legend: B = images, C = channels, H = height, W = width.
"""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.testing import assert_close

from trainer.data.augment import _shift_and_scale, augment
from trainer.settings import AugmentSettings

OFF = AugmentSettings(shift_pixels=0.0, scale=0.0, intensity=0.0, noise_std=0.0)


def random_images(count: int, height: int = 8, width: int = 8, channels: int = 1) -> Tensor:
    return torch.randn(count, channels, height, width, generator=torch.Generator().manual_seed(0))


def view(images: Tensor, strength: AugmentSettings, seed: int = 3) -> Tensor:
    return augment(images, strength, torch.Generator().manual_seed(seed))


def only(**parts: float) -> AugmentSettings:
    return OFF.model_copy(update=parts)


def test_all_parts_switched_off_are_the_identity() -> None:
    images = random_images(5, height=7, width=10, channels=3)
    assert_close(view(images, OFF), images, rtol=1e-6, atol=1e-6)


@settings(max_examples=20, deadline=None)
@given(down=st.integers(-3, 3), right=st.integers(-3, 3))
def test_a_shift_by_whole_pixels_is_a_shift_of_indices(down: int, right: int) -> None:
    images = random_images(1, height=9, width=6)
    uniform_3B = torch.tensor([[0.0], [right / 4], [down / 4]])
    shifted = _shift_and_scale(images, only(shift_pixels=4.0), uniform_3B)
    rows = (torch.arange(9) + down).clamp(0, 8)
    columns = (torch.arange(6) + right).clamp(0, 5)
    assert_close(shifted, images[:, :, rows][..., columns], rtol=1e-5, atol=1e-5)


def test_shifts_stay_within_the_setting() -> None:
    # A horizontal ramp: a shift by s pixels adds s, away from the border.
    ramp = torch.arange(20.0).expand(400, 1, 20, 20)
    shifts = (view(ramp, only(shift_pixels=2.5)) - ramp)[:, 0, 10, 10]
    assert -2.5 <= shifts.min() < -2.3
    assert 2.3 < shifts.max() <= 2.5


def test_scale_magnifies_about_the_centre() -> None:
    ramp = (torch.arange(21.0) - 10).expand(400, 1, 21, 21)
    zooms = view(ramp, only(scale=0.2))[:, 0, 10, 15] / 5
    assert_close(view(ramp, only(scale=0.2))[:, 0, 10, 10], torch.zeros(400), rtol=0, atol=1e-5)
    assert 0.8 <= zooms.min() < 0.82
    assert 1.18 < zooms.max() <= 1.2 + 1e-5


def test_intensity_multiplies_each_image_by_one_factor() -> None:
    images = random_images(400)
    factors = view(images, only(intensity=0.3)) / images
    assert_close(factors, factors[:, :1, :1, :1].expand_as(factors), rtol=1e-3, atol=1e-3)
    assert 0.7 - 1e-4 <= factors.min() < 0.72
    assert 1.28 < factors.max() <= 1.3 + 1e-4


def test_noise_has_the_deviation_asked_for_and_is_new_in_every_pixel() -> None:
    noise = view(torch.zeros(500, 1, 8, 8), only(noise_std=0.4))
    assert noise.std().item() == pytest.approx(0.4, rel=0.02)
    assert noise.mean().item() == pytest.approx(0.0, abs=0.02)
    assert len(set(noise.flatten().tolist())) > 0.99 * noise.numel()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("shape", [(1, 1, 8, 8), (5, 3, 7, 10)])
def test_shape_and_dtype_are_kept(shape: tuple[int, ...], dtype: torch.dtype) -> None:
    images = torch.randn(shape, generator=torch.Generator().manual_seed(1)).to(dtype)
    views = view(images, AugmentSettings())
    assert views.shape == images.shape
    assert views.dtype == dtype
    assert views.isfinite().all()


def test_both_precisions_see_the_same_draw() -> None:
    images = random_images(6)
    strong = AugmentSettings()
    assert_close(view(images.double(), strong).float(), view(images, strong), rtol=0, atol=1e-5)


def test_the_view_depends_on_the_generator_alone() -> None:
    images, strong = random_images(4), AugmentSettings()
    torch.manual_seed(0)
    first = view(images, strong)
    torch.manual_seed(1)
    assert torch.equal(view(images, strong), first)
    assert not torch.equal(view(images, strong, seed=4), first)


def test_images_are_not_changed_in_place() -> None:
    images = random_images(4)
    before = images.clone()
    view(images, AugmentSettings())
    assert torch.equal(images, before)
