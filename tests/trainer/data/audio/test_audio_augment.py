"""Augmentation: every part switches off, does what it says, and depends on its generator alone.

Shape legend: B = clips, L = samples, K = mel bands, F = frames.
"""

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from trainer.audio_settings import AudioAugmentSettings, MelSettings
from trainer.data.audio.augment import augment_log_mels, augment_waveforms

OFF = AudioAugmentSettings()
MEL = MelSettings()


def only(**parts: Any) -> AudioAugmentSettings:
    return AudioAugmentSettings(**parts)


def generator(seed: int = 3) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def waves(count: int = 6, samples: int = 500) -> Tensor:
    levels_B1 = torch.logspace(-2, 0, count)[:, None]
    return levels_B1 * torch.randn(count, samples, generator=generator(0))


def log_mels(count: int = 6, bands: int = 20, frames: int = 50) -> Tensor:
    return 10 * torch.randn(count, bands, frames, generator=generator(0)) - 20


def decibels(power: Tensor) -> Tensor:
    return 10 * power.log10()


def test_all_parts_switched_off_are_the_identity() -> None:
    assert torch.equal(augment_waveforms(waves(), OFF, generator()), waves())
    assert torch.equal(augment_log_mels(log_mels(), OFF, MEL, generator()), log_mels())


def test_gain_changes_levels_by_up_to_the_setting_and_nothing_else() -> None:
    many = waves(400, 50)
    louder = augment_waveforms(many, only(gain_db=6.0), generator())
    gains_B = decibels(louder.square().mean(1) / many.square().mean(1))
    assert -6.0 <= gains_B.min() < -5.5
    assert 5.5 < gains_B.max() <= 6.0001
    torch.testing.assert_close(louder, many * 10 ** (gains_B / 20)[:, None], rtol=1e-4, atol=1e-6)


def test_the_same_draw_gives_waveforms_and_spectrograms_the_same_gain() -> None:
    gain = only(gain_db=10.0)
    louder = augment_waveforms(waves(), gain, generator())
    gains_B = decibels(louder.square().mean(1) / waves().square().mean(1))
    raised = augment_log_mels(log_mels(), gain, MEL, generator()) - log_mels()
    expected = gains_B[:, None, None].expand_as(raised)
    torch.testing.assert_close(raised, expected, rtol=0, atol=1e-3)


@settings(max_examples=20, deadline=None)
@given(below=st.floats(-10.0, 30.0), seed=st.integers(0, 2**16))
def test_a_background_lies_so_many_decibels_below(below: float, seed: int) -> None:
    mixing = only(mix_share=1.0, mix_low_db=below, mix_high_db=below)
    added = augment_waveforms(waves(), mixing, generator(seed)) - waves()
    distance_B = decibels(waves().square().mean(1) / added.square().mean(1))
    torch.testing.assert_close(distance_B, torch.full((6,), below), rtol=0, atol=0.01)


def test_a_background_is_another_clip_of_the_batch_at_another_level() -> None:
    added = augment_waveforms(waves(), only(mix_share=1.0), generator()) - waves()
    likeness = torch.corrcoef(torch.cat([added, waves()]))[:6, 6:]
    partners = likeness.argmax(dim=1)
    assert (likeness.gather(1, partners[:, None]) > 0.99).all()
    assert (partners != torch.arange(6)).all()


def test_so_many_clips_get_a_background() -> None:
    many = waves(2000, 8)
    mixed = augment_waveforms(many, only(mix_share=0.3), generator()) != many
    assert 0.25 < mixed.any(dim=1).float().mean() < 0.35


def test_a_clip_alone_has_no_background() -> None:
    one = waves(1)
    assert torch.equal(augment_waveforms(one, only(mix_share=1.0), generator()), one)


def test_a_silent_background_or_foreground_stays_finite() -> None:
    half_silent = waves()
    half_silent[::2] = 0.0
    mixed = augment_waveforms(half_silent, only(mix_share=1.0), generator())
    assert mixed.isfinite().all()
    assert torch.equal(mixed[::2], half_silent[::2])  # silence is as far above silence
    floor = torch.full((2, 4, 5), MEL.floor_db)
    spectra = torch.cat([floor, log_mels(2, 4, 5)])
    mixed = augment_log_mels(spectra, only(mix_share=1.0), MEL, generator())
    assert mixed.isfinite().all()
    assert (mixed >= MEL.floor_db).all()


def test_a_background_in_a_spectrogram_adds_its_power() -> None:
    mixing = only(mix_share=1.0, mix_low_db=7.0, mix_high_db=7.0)
    mixed = augment_log_mels(log_mels(), mixing, MEL, generator())
    power, before = 10 ** (mixed / 10), 10 ** (log_mels() / 10)
    added_B = (power - before).mean(dim=(1, 2))
    distance_B = decibels(before.mean(dim=(1, 2)) / added_B)
    torch.testing.assert_close(distance_B, torch.full((6,), 7.0), rtol=0, atol=0.01)


def test_time_masks_cover_all_bands_of_a_stretch_with_the_clips_mean() -> None:
    before = log_mels(50)
    masked = augment_log_mels(before, only(time_masks=1, time_mask_share=0.4), MEL, generator())
    is_masked_BKF = masked != before
    columns_BF = is_masked_BKF.any(dim=1)
    assert torch.equal(is_masked_BKF, columns_BF[:, None, :].expand_as(is_masked_BKF))
    widths = columns_BF.sum(dim=1)
    assert widths.max() == 20
    assert widths.min() == 0
    edges = columns_BF.int().diff(dim=1).abs().sum(dim=1)
    assert (edges <= 2).all()
    means_BKF = before.mean(dim=(1, 2), keepdim=True).expand_as(before)
    torch.testing.assert_close(masked[is_masked_BKF], means_BKF[is_masked_BKF])


def test_band_masks_cover_all_frames_of_a_stretch() -> None:
    before = log_mels(50)
    masked = augment_log_mels(before, only(band_masks=2, band_mask_share=0.25), MEL, generator())
    rows_BK = (masked != before).any(dim=2)
    assert torch.equal(masked != before, rows_BK[:, :, None].expand_as(before))
    assert 5 < rows_BK.sum(dim=1).max() <= 10


EVERYTHING = only(gain_db=6.0, mix_share=0.5, time_masks=2, band_masks=2)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_views_depend_on_the_generator_alone_and_keep_the_dtype(dtype: torch.dtype) -> None:
    spectra = log_mels().to(dtype)
    first, again, other = (
        augment_log_mels(spectra, EVERYTHING, MEL, generator(seed)) for seed in (1, 1, 2)
    )
    assert first.dtype == dtype
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(
        augment_waveforms(waves(), EVERYTHING, generator(1)),
        augment_waveforms(waves(), EVERYTHING, generator(1)),
    )


def test_half_precision_hears_what_full_precision_hears() -> None:
    spectra = (log_mels() - 40).half()
    full = augment_log_mels(spectra.float(), EVERYTHING, MEL, generator())
    half = augment_log_mels(spectra, EVERYTHING, MEL, generator())
    torch.testing.assert_close(half.float(), full, rtol=0, atol=0.07)


def test_what_was_given_is_not_changed() -> None:
    spectra = log_mels()
    augment_log_mels(spectra, EVERYTHING, MEL, generator())
    assert torch.equal(spectra, log_mels())
