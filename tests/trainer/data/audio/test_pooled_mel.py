"""Means and deviations of mel bands: a naive loop, and what they are blind to."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.testing import assert_close

from trainer.data.audio.pooled_mel import pool_log_mels


def reference(clip: list[list[float]], segments: int) -> list[float]:
    row: list[float] = []
    frames = len(clip[0])
    for segment in range(segments):
        own = [f for f in range(frames) if segment * frames // segments <= f]
        own = [f for f in own if f < (segment + 1) * frames // segments]
        means = [sum(band[f] for f in own) / len(own) for band in clip]
        row += means
        row += [
            math.sqrt(sum((band[f] - mean) ** 2 for f in own) / len(own))
            for band, mean in zip(clip, means, strict=True)
        ]
    return row


@settings(max_examples=25, deadline=None)
@given(
    bands=st.integers(1, 5),
    frames=st.integers(1, 12),
    segments=st.integers(1, 12),
    seed=st.integers(0, 2**16),
)
def test_agrees_with_a_naive_loop(bands: int, frames: int, segments: int, seed: int) -> None:
    segments = min(segments, frames)
    log_mels = torch.randn(3, bands, frames, generator=torch.Generator().manual_seed(seed))
    pooled = pool_log_mels(log_mels, segments)
    assert pooled.shape == (3, 2 * bands * segments)
    assert pooled.dtype == torch.float32
    expected = [reference(clip.double().tolist(), segments) for clip in log_mels]
    assert_close(pooled, torch.tensor(expected), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("segments", [1, 3])
def test_order_counts_between_stretches_alone(segments: int) -> None:
    log_mels = torch.randn(1, 2, 9, generator=torch.Generator().manual_seed(0))
    turned = log_mels.flip(2)
    is_same = torch.allclose(pool_log_mels(log_mels, segments), pool_log_mels(turned, segments))
    assert is_same == (segments == 1)
