"""Random views of clips, batched, on their device, drawn from a given generator.

For waveforms and for log-mel spectrograms, so that cached spectrograms can be augmented too.

Shape legend: B = clips, L = samples, K = mel bands, F = frames, S = masks of a clip.
"""

import torch
from torch import Tensor

from trainer.audio_settings import AudioAugmentSettings, MelSettings
from trainer.data.transfer import send

_SILENCE = 1e-10


def augment_waveforms(
    waveforms_BL: Tensor, settings: AudioAugmentSettings, generator: torch.Generator
) -> Tensor:
    """Return waveforms with a background (another clip of the batch) and a gain, in this order.

    The background is scaled so that the foreground's power is ``mix_low_db`` to ``mix_high_db``
    above it, whatever their levels were; a silent background adds nothing. Masks are for
    spectrograms: see ``augment_log_mels``.

    Args:
        waveforms_BL: Shape (B, L).
        settings: Strength of each part.
        generator: CPU generator, e.g. ``generator_for(seed, "audio", step)``; a view depends on
            nothing else, so it can be made again.

    Returns:
        Same shape, dtype and device.
    """
    below_B, partner_B, gain_B = _draw_mix_and_gain(waveforms_BL, settings, generator)
    power_B = waveforms_BL.square().mean(dim=1)
    share_B = power_B / power_B[partner_B].clamp_min(_SILENCE) * _power_of(below_B)
    # An unmixed clip has infinite distance to its background, a share of exactly 0.
    mixed_BL = waveforms_BL + share_B.sqrt()[:, None] * waveforms_BL[partner_B]
    return mixed_BL * _power_of(-gain_B).sqrt()[:, None]


def augment_log_mels(
    log_mels_BKF: Tensor,
    settings: AudioAugmentSettings,
    mel: MelSettings,
    generator: torch.Generator,
) -> Tensor:
    """Return spectrograms with background, gain and SpecAugment's masks, in this order.

    Powers of foreground and background are added, as those of unrelated sounds do on average;
    distances and gain are those of ``augment_waveforms``, drawn alike from an equal generator.
    Masked stretches take the clip's mean. Time is not warped.

    Args:
        log_mels_BKF: Decibels as ``compute_log_mels`` makes them, not standardised.
        settings: Strength of each part.
        mel: Whose ``floor_db`` the result keeps to.
        generator: As for ``augment_waveforms``.

    Returns:
        Same shape, dtype and device.

    References:
        Park et al., "SpecAugment", Interspeech 2019, arXiv:1904.08779.
    """
    view_BKF = log_mels_BKF.float()  # half precisions cannot hold the power of the floor
    below_B, partner_B, gain_B = _draw_mix_and_gain(view_BKF, settings, generator)
    if settings.mix_share or settings.gain_db:
        # What lies on the floor is silence: as a background it must not be lifted to be heard.
        is_silent_BKF = view_BKF <= mel.floor_db
        power_BKF = _power_of(-view_BKF).masked_fill(is_silent_BKF, 0.0)
        level_B = power_BKF.mean(dim=(1, 2))
        share_B = level_B / level_B[partner_B].clamp_min(_SILENCE) * _power_of(below_B)
        power_BKF = power_BKF + share_B[:, None, None] * power_BKF[partner_B]
        view_BKF = 10 * power_BKF.clamp_min(_SILENCE**2).log10() + gain_B[:, None, None]
        view_BKF = view_BKF.clamp_min(mel.floor_db)
    return _mask(view_BKF, settings, generator).to(log_mels_BKF.dtype)


def _draw_mix_and_gain(
    like_BX: Tensor, settings: AudioAugmentSettings, generator: torch.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """Return how far below each clip its background is (dB), whose that is, and the gain (dB)."""
    count = len(like_BX)
    uniform_3B = torch.rand(3, count, generator=generator)
    # A shift of the batch by 1 to B - 1 places: nobody is their own background.
    shift = int(torch.randint(1, max(count, 2), (), generator=generator))
    partner_B = (torch.arange(count) + shift) % count
    below_B = settings.mix_low_db + uniform_3B[1] * (settings.mix_high_db - settings.mix_low_db)
    is_mixed_B = (uniform_3B[0] < settings.mix_share) & (partner_B != torch.arange(count))
    below_B = below_B.masked_fill(~is_mixed_B, torch.inf)
    gain_B = settings.gain_db * (2 * uniform_3B[2] - 1)
    return send(below_B, like_BX), send(partner_B, like_BX), send(gain_B, like_BX)


def _power_of(below: Tensor) -> Tensor:
    """Return the ratio of powers that lies so many decibels below 1."""
    return 10 ** (-below / 10)


def _mask(
    log_mels_BKF: Tensor, settings: AudioAugmentSettings, generator: torch.Generator
) -> Tensor:
    count, bands, frames = log_mels_BKF.shape
    if not (settings.time_masks or settings.band_masks):
        return log_mels_BKF
    widest_time = int(settings.time_mask_share * frames)
    widest_band = int(settings.band_mask_share * bands)
    in_time_BF = _draw_masks(count, settings.time_masks, frames, widest_time, generator)
    in_band_BK = _draw_masks(count, settings.band_masks, bands, widest_band, generator)
    is_masked_BKF = in_time_BF[:, None, :] | in_band_BK[:, :, None]
    mean_B = log_mels_BKF.mean(dim=(1, 2), keepdim=True)
    return torch.where(send(is_masked_BKF, log_mels_BKF), mean_B, log_mels_BKF)


def _draw_masks(
    count: int, masks: int, length: int, widest: int, generator: torch.Generator
) -> Tensor:
    """Return which places of an axis are masked, (count, length).

    Widths are uniform from 0 to ``widest``, starts uniform over where they fit.
    """
    uniform_2BS = torch.rand(2, count, masks, generator=generator)
    width_BS = (uniform_2BS[0] * (widest + 1)).floor()
    start_BS = (uniform_2BS[1] * (length - width_BS + 1)).floor()
    place_X = torch.arange(length)
    inside_BSX = (place_X >= start_BS[..., None]) & (place_X < (start_BS + width_BS)[..., None])
    return inside_BSX.any(dim=1)
