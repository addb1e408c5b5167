"""Batches can be made again from (seed, step); label masks are stratified, nested and fixed.

Shape legend: N = images, B = batch.
"""

import math
import random

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from trainer.data.batches import BatchStream, draw_label_mask
from trainer.data.image_data import ImageData
from trainer.data.images import load_images
from trainer.settings import AugmentSettings, DataSettings

DATA = load_images(DataSettings(source="digits"))
COUNT = len(DATA.train_labels_N)


def stream(seed: int = 1, batch_size: int = 100, data: ImageData = DATA) -> BatchStream:
    return BatchStream(data, AugmentSettings(), batch_size, seed)


def test_any_batch_can_be_made_again_in_any_order() -> None:
    steps = [0, 1, 11, 12, 13, 40, 999]
    in_order = {step: stream().batch_at(step) for step in steps}
    random.Random(0).shuffle(steps)
    one_stream = stream()
    for step in steps:
        again = one_stream.batch_at(step)
        assert torch.equal(again.indices_B, in_order[step].indices_B)
        assert torch.equal(again.views_VBF, in_order[step].views_VBF)


def test_batches_do_not_touch_the_global_generator() -> None:
    torch.manual_seed(0)
    state = torch.get_rng_state()
    batch = stream().batch_at(4)
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(123)
    assert torch.equal(stream().batch_at(4).views_VBF, batch.views_VBF)


@settings(max_examples=25, deadline=None)
@given(batch_size=st.integers(2, COUNT), epoch=st.integers(0, 4), seed=st.integers(0, 2**40))
def test_an_epoch_has_no_image_twice_and_drops_less_than_a_batch(
    batch_size: int, epoch: int, seed: int
) -> None:
    per_epoch = COUNT // batch_size
    one = stream(seed, batch_size)
    seen = torch.cat([one.indices_at(epoch * per_epoch + i) for i in range(per_epoch)])
    assert len(seen) == per_epoch * batch_size > COUNT - batch_size
    assert len(set(seen.tolist())) == len(seen)
    assert 0 <= seen.min() <= seen.max() < COUNT


def test_epochs_steps_and_seeds_have_orders_of_their_own() -> None:
    per_epoch = COUNT // 100
    batches = [stream().indices_at(step) for step in (0, 1, per_epoch, 2 * per_epoch)]
    batches += [stream(2).indices_at(0)]
    for i in range(len(batches)):
        for j in range(i):
            assert not torch.equal(batches[i], batches[j])


def test_views_are_those_of_the_indexed_images_and_differ() -> None:
    # So little augmentation that the image can be recognised, but no view is exact.
    gentle = AugmentSettings(shift_pixels=0, scale=0, intensity=0, noise_std=1e-3)
    batch = BatchStream(DATA, gentle, 64, 7).batch_at(3)
    images_BF = DATA.train_images_NCHW[batch.indices_B].flatten(1)
    assert batch.views_VBF.shape == (2, 64, 64)
    for view_BF in batch.views_VBF:
        assert 0 < (view_BF - images_BF).abs().max() < 0.01
    assert not torch.equal(*batch.views_VBF)


def test_the_same_image_is_seen_anew_at_every_step() -> None:
    size = COUNT
    first, second = (stream(batch_size=size).batch_at(step) for step in (0, 1))
    order = [batch.indices_B.argsort() for batch in (first, second)]
    assert not torch.equal(first.views_VBF[0][order[0]], second.views_VBF[0][order[1]])


@settings(max_examples=40, deadline=None)
@given(
    sizes=st.lists(st.integers(1, 40), min_size=1, max_size=6),
    fraction=st.floats(0, 1),
    seed=st.integers(0, 2**62),
)
def test_each_class_keeps_the_ceiling_of_its_share(
    sizes: list[int], fraction: float, seed: int
) -> None:
    labels_N = torch.cat([torch.full((size,), label) for label, size in enumerate(sizes)])
    mask_N = draw_label_mask(labels_N, fraction, seed)
    for label, size in enumerate(sizes):
        kept = int(mask_N[labels_N == label].sum())
        assert kept == math.ceil(round(fraction * size, 8))


@settings(max_examples=25, deadline=None)
@given(fractions=st.tuples(st.floats(0, 1), st.floats(0, 1)), seed=st.integers(0, 2**62))
def test_a_larger_fraction_contains_every_smaller_one(
    fractions: tuple[float, float], seed: int
) -> None:
    small_N, large_N = (draw_label_mask(DATA.train_labels_N, f, seed) for f in sorted(fractions))
    assert not (small_N & ~large_N).any()


def test_the_mask_is_fixed_by_the_seed() -> None:
    masks = [draw_label_mask(DATA.train_labels_N, 0.2, seed) for seed in (1, 1, 2)]
    assert torch.equal(masks[0], masks[1])
    assert not torch.equal(masks[0], masks[2])


@pytest.mark.parametrize(("fraction", "kept"), [(0.1, 3), (0.7, 21), (0.0, 0), (1.0, 30)])
def test_round_off_adds_no_sample(fraction: float, kept: int) -> None:
    assert int(draw_label_mask(torch.zeros(30, dtype=torch.int64), fraction, 0).sum()) == kept
