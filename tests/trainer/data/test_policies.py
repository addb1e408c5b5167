"""Views by published policies: repeatable, each image's own, and what grey images are spared."""

import subprocess
import sys

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from trainer.data.augment import draw_views, evaluation_view
from trainer.data.batches import BatchStream
from trainer.data.image_data import ImageData, PixelScale
from trainer.settings import AugmentPolicy, AugmentSettings, DataSettings

POLICIES: tuple[AugmentPolicy, ...] = ("simclr", "autoaugment", "randaugment")
STILL = AugmentSettings(policy="simclr", crop_low=1, flip=0, jitter=0, drop_colour=0, blur=0)
SCALE = PixelScale(0.3, 0.2)


def random_pixels(count: int, channels: int = 3, size: int = 12) -> Tensor:
    return torch.rand(count, channels, size, size, generator=torch.Generator().manual_seed(1))


def views_of(pixels: Tensor, settings: AugmentSettings, seed: int = 3, count: int = 1) -> Tensor:
    """Return views as pixels in [0, 1], (V, B, C, H, W)."""
    generator = torch.Generator().manual_seed(seed)
    return SCALE.restore(
        draw_views(SCALE.standardise(pixels), SCALE, settings, generator, count).flatten(0, 1)
    ).view(count, *pixels.shape)


def only(**parts: float) -> AugmentSettings:
    return STILL.model_copy(update=parts)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("policy", POLICIES)
def test_views_depend_on_the_generator_alone_and_leave_the_global_one(
    policy: AugmentPolicy, channels: int
) -> None:
    pixels, settings = random_pixels(40, channels), AugmentSettings(policy=policy, blur=0.5)
    before = torch.get_rng_state()
    first = views_of(pixels, settings, count=2)
    assert torch.equal(torch.get_rng_state(), before)
    torch.rand(7)
    assert torch.equal(views_of(pixels, settings, count=2), first)
    assert not torch.equal(views_of(pixels, settings, seed=4, count=2), first)
    assert not torch.equal(first[0], first[1])


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("shape", [(3, 1, 8, 8), (2, 3, 9, 14), (1, 3, 32, 32)])
def test_shape_dtype_and_range_are_kept(
    policy: AugmentPolicy, dtype: torch.dtype, shape: tuple[int, ...]
) -> None:
    images = SCALE.standardise(torch.rand(shape, dtype=dtype))
    copy, generator = images.clone(), torch.Generator().manual_seed(0)
    views = draw_views(images, SCALE, AugmentSettings(policy=policy, blur=1), generator, 2)
    assert views.shape == (2, *shape)
    assert views.dtype == dtype
    assert torch.equal(images, copy)
    pixels = views * SCALE.std + SCALE.mean
    assert pixels.min() >= -1e-6
    assert pixels.max() <= 1 + 1e-6


def test_all_parts_switched_off_are_the_identity() -> None:
    pixels = random_pixels(5)
    assert_close(views_of(pixels, STILL)[0], pixels, atol=1e-4, rtol=0)


def test_a_sure_flip_is_a_mirror_image() -> None:
    pixels = random_pixels(5)
    assert_close(views_of(pixels, only(flip=1))[0], pixels.flip(-1), atol=1e-4, rtol=0)


def test_some_images_are_mirrored_and_others_are_not() -> None:
    pixels = random_pixels(400)
    views = views_of(pixels, only(flip=0.25))[0]
    is_mirrored = (views - pixels.flip(-1)).abs().amax(dim=(1, 2, 3)) < 1e-3
    is_same = (views - pixels).abs().amax(dim=(1, 2, 3)) < 1e-3
    assert bool((is_mirrored ^ is_same).all())
    assert is_mirrored.float().mean().item() == pytest.approx(0.25, abs=0.07)


def test_a_crop_keeps_no_less_than_its_share_and_no_stranger_shape() -> None:
    # On two ramps the values of a view's corners are where the crop began and ended.
    ramp = torch.linspace(0, 1, 32).expand(300, 1, 32, 32)
    columns, rows = views_of(ramp, only(crop_low=0.3))[0], ramp.mT
    rows = views_of(rows, only(crop_low=0.3))[0]
    width = columns.amax((1, 2, 3)) - columns.amin((1, 2, 3))
    height = rows.amax((1, 2, 3)) - rows.amin((1, 2, 3))
    area = width * height  # the same draws: equal seeds
    pixel = 2 / 31
    assert area.min() >= 0.3 - 2 * pixel
    assert area.min() < 0.45
    assert area.max() > 0.9
    ratios = width / height
    assert ratios.min() > 3 / 4 - 2 * pixel
    assert ratios.max() < 4 / 3 + 3 * pixel


def test_jitter_changes_most_images_each_by_draws_of_its_own() -> None:
    pixels = random_pixels(2).repeat(200, 1, 1, 1)
    views = views_of(pixels, only(jitter=0.5))[0]
    is_changed = (views - pixels).abs().amax(dim=(1, 2, 3)) > 1e-3
    assert is_changed.float().mean().item() == pytest.approx(0.8, abs=0.07)
    assert len(torch.unique(views[::2][is_changed[::2]].mean(dim=(1, 2, 3)))) > 100


def test_colours_are_lost_with_the_probability_asked_for() -> None:
    views = views_of(random_pixels(400), only(drop_colour=0.3))[0]
    is_grey = (views - views[:, :1]).abs().amax(dim=(1, 2, 3)) < 1e-4
    assert is_grey.float().mean().item() == pytest.approx(0.3, abs=0.07)


def test_a_blur_smooths() -> None:
    pixels = random_pixels(20, size=32)
    views = views_of(pixels, only(blur=1))[0]
    assert (views.diff(dim=-1).abs().mean() < 0.7 * pixels.diff(dim=-1).abs().mean()).item()
    assert_close(views.mean(), pixels.mean(), atol=0.01, rtol=0)


def test_grey_images_have_no_colours_to_change() -> None:
    pixels = random_pixels(30, channels=1)
    assert_close(views_of(pixels, only(drop_colour=1))[0], pixels, atol=1e-4, rtol=0)
    # Brightness and contrast alone make every view a straight line of its image.
    pixels = 0.3 + 0.3 * pixels
    jittered = views_of(pixels, only(jitter=0.25))[0]
    for image, view in zip(pixels.flatten(1), jittered.flatten(1), strict=True):
        assert torch.corrcoef(torch.stack([image, view]))[0, 1] > 0.9999


@pytest.mark.parametrize("policy", ["autoaugment", "randaugment"])
def test_images_of_a_batch_get_different_operations(policy: AugmentPolicy) -> None:
    # An inverted white image is black, a sheared one white with black corners, ...
    pixels = torch.full((200, 3, 16, 16), 0.9)
    pixels[..., :8] = 0.4
    settings = AugmentSettings(policy=policy, crop_low=1, flip=0, learned_on="svhn")
    views = views_of(pixels, settings)[0]
    looks = {tuple((view[0, 0:16:5, 0:16:5] * 20).round().flatten().tolist()) for view in views}
    assert len(looks) > 10


@pytest.mark.parametrize("policy", ["autoaugment", "randaugment"])
def test_grey_images_go_through_colour_operations_as_if_in_colours(policy: AugmentPolicy) -> None:
    grey, settings = random_pixels(50, channels=1), AugmentSettings(policy=policy)
    in_colours = views_of(grey.expand(-1, 3, -1, -1), settings)[0]
    assert_close(views_of(grey, settings)[0], in_colours[:, :1], atol=1e-5, rtol=0)


def test_stronger_randaugment_changes_more() -> None:
    pixels = random_pixels(100)
    weak, strong = (
        AugmentSettings(policy="randaugment", crop_low=1, flip=0, operations=n, magnitude=m)
        for n, m in [(1, 1), (4, 25)]
    )
    changes = [(views_of(pixels, s)[0] - pixels).abs().mean().item() for s in (weak, strong)]
    assert changes[1] > 1.5 * changes[0]


@pytest.mark.parametrize("policy", POLICIES)
def test_batches_and_the_evaluations_view_can_be_made_again(policy: AugmentPolicy) -> None:
    images, labels = SCALE.standardise(random_pixels(30, 1)), torch.arange(30) % 3
    data = ImageData(images, labels, images, labels, 3, scale=SCALE)
    augment = AugmentSettings(policy=policy)
    stream = BatchStream(data, augment, 10, seed=5)
    late = stream.batch_at(4).views_VBF
    stream.batch_at(0)
    again = BatchStream(data, augment, 10, seed=5).batch_at(4).views_VBF
    assert torch.equal(late, again)
    settings = DataSettings(source="digits", augment=augment)
    assert torch.equal(evaluation_view(data, settings), evaluation_view(data, settings))


def test_kornia_is_loaded_by_the_policies_that_need_it_and_by_nothing_else() -> None:
    code = (
        "import sys, torch\n"
        "from trainer.data import batches, images\n"
        "from trainer.data.augment import draw_views\n"
        "from trainer.data.image_data import PixelScale\n"
        "from trainer.settings import AugmentSettings\n"
        "draw = lambda policy: draw_views(torch.zeros(2, 1, 8, 8), PixelScale(),\n"
        "    AugmentSettings(policy=policy), torch.Generator())\n"
        "draw('simple'); assert 'kornia' not in sys.modules\n"
        "draw('simclr'); assert 'kornia' in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
