"""fit: the rules in their docstring, on recordings of numbered samples."""

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from trainer.audio_settings import FitSettings
from trainer.data.audio.fit import fit, fit_batch


def rules(**given: Any) -> FitSettings:
    return FitSettings.model_validate(given)


def numbered(length: int) -> Tensor:
    return torch.arange(1.0, length + 1)


@pytest.mark.parametrize(
    ("given", "samples", "draw", "expected"),
    [
        pytest.param({"crop": "start"}, 3, 0.9, [1, 2, 3], id="start"),
        pytest.param({"crop": "middle"}, 3, 0.9, [2, 3, 4], id="middle"),
        pytest.param({"crop": "middle"}, 2, 0.9, [2, 3], id="middle-rounded-to-the-start"),
        pytest.param({"crop": "random"}, 3, 0.0, [1, 2, 3], id="first-random-place"),
        pytest.param({"crop": "random"}, 3, 0.999, [3, 4, 5], id="last-random-place"),
        pytest.param({"fill": "pad"}, 8, 0.0, [1, 2, 3, 4, 5, 0, 0, 0], id="pad"),
        pytest.param({"fill": "centre"}, 8, 0.0, [0, 1, 2, 3, 4, 5, 0, 0], id="centre"),
        pytest.param({"fill": "repeat"}, 8, 0.0, [1, 2, 3, 4, 5, 1, 2, 3], id="repeat"),
        pytest.param({}, 5, 0.7, [1, 2, 3, 4, 5], id="as-it-is"),
    ],
)
def test_rules(given: dict[str, str], samples: int, draw: float, expected: list[int]) -> None:
    assert fit(numbered(5), samples, rules(**given), draw).tolist() == expected


@settings(max_examples=60, deadline=None)
@given(
    length=st.integers(1, 50),
    samples=st.integers(1, 120),
    crop=st.sampled_from(["start", "middle", "random"]),
    fill=st.sampled_from(["pad", "centre", "repeat"]),
    draw=st.floats(0.0, 1.0, exclude_max=True),
)
def test_a_clip_has_its_length_and_is_a_stretch_of_the_recording(
    length: int, samples: int, crop: str, fill: str, draw: float
) -> None:
    fitted = fit(numbered(length), samples, rules(crop=crop, fill=fill), draw).tolist()
    assert len(fitted) == samples
    heard = [value for value in fitted if value]
    assert len(heard) == (samples if fill == "repeat" else min(length, samples))
    assert heard == [(heard[0] - 1 + i) % length + 1 for i in range(len(heard))]


def test_random_crops_are_drawn_from_the_generator_alone() -> None:
    crops = rules(crop="random")

    def batch(seed: int, last: int) -> Tensor:
        waveforms = [numbered(100), numbered(3), numbered(80), numbered(last)]
        return fit_batch(waveforms, 10, crops, torch.Generator().manual_seed(seed))

    assert torch.equal(batch(0, 50), batch(0, 50))
    assert not torch.equal(batch(0, 50), batch(1, 50))
    assert torch.equal(batch(0, 50)[:3], batch(0, 5)[:3])


def test_random_crops_reach_every_place() -> None:
    waveforms = [numbered(5)] * 200
    crops = fit_batch(waveforms, 3, rules(crop="random"), torch.Generator().manual_seed(0))
    assert set(crops[:, 0].tolist()) == {1.0, 2.0, 3.0}
