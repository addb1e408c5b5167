"""Recordings of any length to clips of one length: crop, pad or repeat.

Shape legend: B = clips, T = samples of a recording, L = samples of a clip.
"""

from collections.abc import Sequence
from typing import assert_never

import torch
from torch import Tensor
from torch.nn import functional

from trainer.audio_settings import FitSettings


def fit(waveform_T: Tensor, samples: int, settings: FitSettings, draw: float) -> Tensor:
    """Return a recording cut or filled up to a number of samples.

    A recording of that length is returned as it is. A longer one is cut: to its start, to its
    middle (rounded to the start), or to a place that ``draw`` says. A shorter one is followed by
    zeros (``pad``), put between zeros (``centre``: the odd one comes last), or repeated from its
    beginning until the clip is full (``repeat``).

    Args:
        waveform_T: At least one sample.
        samples: Length asked for, L.
        settings: The rules.
        draw: In [0, 1): where a random crop begins, from the first place to the last.

    Returns:
        Shape (L,).
    """
    spare = len(waveform_T) - samples
    if spare > 0:
        first = _first_sample(spare, settings, draw)
        return waveform_T[first : first + samples]
    if spare == 0:
        return waveform_T
    return _fill(waveform_T, samples, settings)


def fit_batch(
    waveforms: Sequence[Tensor],
    samples: int,
    settings: FitSettings,
    generator: torch.Generator,
) -> Tensor:
    """Return recordings as one batch (B, L); random crops are drawn from ``generator``.

    One number is drawn for each recording, whether it is needed or not: a clip's crop depends on
    its place in the batch, not on its neighbours' lengths.
    """
    draws_B = torch.rand(len(waveforms), generator=generator).tolist()
    fitted = [
        fit(waveform_T, samples, settings, draw)
        for waveform_T, draw in zip(waveforms, draws_B, strict=True)
    ]
    return torch.stack(fitted)


def _first_sample(spare: int, settings: FitSettings, draw: float) -> int:
    match settings.crop:
        case "start":
            return 0
        case "middle":
            return spare // 2
        case "random":
            return min(int(draw * (spare + 1)), spare)
        case _:
            assert_never(settings.crop)


def _fill(waveform_T: Tensor, samples: int, settings: FitSettings) -> Tensor:
    lacking = samples - len(waveform_T)
    match settings.fill:
        case "pad":
            return functional.pad(waveform_T, (0, lacking))
        case "centre":
            return functional.pad(waveform_T, (lacking // 2, lacking - lacking // 2))
        case "repeat":
            return waveform_T.repeat(-(-samples // len(waveform_T)))[:samples]
        case _:
            assert_never(settings.fill)
