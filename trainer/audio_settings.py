"""Which clips an audio-text study hears, how long, how loud and in which languages.

Frozen pydantic models, as in trainer/settings.py: this is where YAML or a Ray dict comes in.
"""

from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, Field, model_validator

from trainer.languages import check_languages
from trainer.settings import Fraction, Frozen, PositiveInt

AudioSourceName = Literal[
    "general_midi",
    "tuxpaint",
    "audiocaps",
    "clotho",
    "esc50",
    "esc10",
    "urbansound8k",
    "manifest",
]
AUDIO_SOURCES: frozenset[str] = frozenset(get_args(AudioSourceName))

SampleRateHz = Literal[16_000, 32_000, 48_000]
Decibel = Annotated[float, Field(ge=-60.0, le=60.0)]
Share = Annotated[float, Field(gt=0.0, lt=1.0)]

_CLIP_SECONDS: dict[str, float] = {
    "general_midi": 2.0,
    "tuxpaint": 4.0,
    "audiocaps": 10.0,
    "clotho": 30.0,
    "esc50": 5.0,
    "esc10": 5.0,
    "urbansound8k": 4.0,
    "manifest": 10.0,
}


class FitSettings(Frozen):
    """How a recording comes to have ``clip_seconds``.

    ``crop`` is for recordings that are longer: their ``start``, their ``middle``, or a place
    drawn at ``random``, once for each clip. ``fill`` is for shorter ones: zeros after the end
    (``pad``), zeros on both sides (``centre``), or the recording again and again from its
    beginning, cut where the clip ends (``repeat``).
    """

    crop: Literal["start", "middle", "random"] = "middle"
    fill: Literal["pad", "centre", "repeat"] = "repeat"


class MelSettings(Frozen):
    """A log-mel spectrogram in decibels: ``10 log10(power)``, not below ``floor_db``.

    ``window_samples`` is the length of a Hann window and of its FFT, ``hop_samples`` the step
    between windows (frames are centred, the ends mirrored). ``bands`` mel bands (HTK's scale,
    triangles of height 1) run from ``low_hz`` to ``high_hz``, or to half the sample rate where
    that is lower. The defaults are those of PANNs and of CLAP's audio encoder at 32 kHz.
    """

    window_samples: Annotated[int, Field(ge=64, le=8192)] = 1024
    hop_samples: Annotated[int, Field(ge=16, le=8192)] = 320
    bands: Annotated[int, Field(ge=4, le=512)] = 64
    low_hz: Annotated[float, Field(ge=0.0)] = 50.0
    high_hz: Annotated[float, Field(gt=0.0)] = 14_000.0
    floor_db: Annotated[float, Field(ge=-200.0, le=0.0)] = -100.0

    @model_validator(mode="after")
    def _check(self) -> "MelSettings":
        if self.low_hz >= self.high_hz:
            raise ValueError(f"expected low_hz below high_hz, got {self.low_hz} and {self.high_hz}")
        if self.hop_samples > self.window_samples:
            raise ValueError(
                f"hop_samples {self.hop_samples} leaves gaps between windows of "
                f"{self.window_samples} samples; expected at most that"
            )
        return self


class AudioAugmentSettings(Frozen):
    """Random view of a clip, drawn anew in every step; zero switches a part off.

    ``mix_share`` of the clips of a batch get another clip of the batch as a background, quieter
    by ``mix_low_db`` to ``mix_high_db``; captions stay those of the foreground. Then every clip
    is made louder or softer by up to ``gain_db``. Then SpecAugment sets ``time_masks`` stretches
    of up to ``time_mask_share`` of the frames, and ``band_masks`` stretches of up to
    ``band_mask_share`` of the mel bands, to the clip's mean.
    """

    gain_db: Annotated[float, Field(ge=0.0, le=40.0)] = 0.0
    mix_share: Fraction = 0.0
    mix_low_db: Decibel = 5.0
    mix_high_db: Decibel = 20.0
    time_masks: Annotated[int, Field(ge=0, le=20)] = 0
    time_mask_share: Fraction = 0.2
    band_masks: Annotated[int, Field(ge=0, le=20)] = 0
    band_mask_share: Fraction = 0.2

    @model_validator(mode="after")
    def _check(self) -> "AudioAugmentSettings":
        if self.mix_low_db > self.mix_high_db:
            raise ValueError(
                f"expected mix_low_db at most mix_high_db, got {self.mix_low_db} and "
                f"{self.mix_high_db}"
            )
        return self


class GeneralMidiSettings(Frozen):
    """Clips of 1 to 3 notes, or up to 8, one after the other, rendered from a soundfont.

    Each of a clip's notes has an equal share of ``clip_seconds``, and captions name all of them:
    more events and more seconds make longer pairs.

    ``soundfont`` and ``test_soundfont`` are absolute paths of .sf2 or .sf3 files; without the
    first it is Debian's TimGM6mb. With the second, the test clips - same notes, same captions -
    are rendered from it: recordings that training never heard.

    ``held_out`` says what of a val or test clip is new: its ``notes`` (an instrument at a key and
    a velocity belongs to one split), its ``combinations`` (so does a set of two or more
    instruments; the instruments themselves are in all splits), or ``both``. Clips of one
    instrument are split by notes alone.

    ``instruments`` picks melodic programs, percussion or all; ``imbalance`` makes the last of
    them so many times rarer than the first in the train split, geometrically in between (their
    order is drawn by the split's seed). ``captions`` for each clip and language are different
    templates; with ``touch`` they say low or high and soft or loud as well.
    """

    soundfont: str | None = None
    test_soundfont: str | None = None
    train_clips: PositiveInt = 2000
    val_clips: PositiveInt = 250
    test_clips: PositiveInt = 500
    fewest_events: Annotated[int, Field(ge=1, le=8)] = 1
    most_events: Annotated[int, Field(ge=1, le=8)] = 3
    instruments: Literal["all", "melodic", "percussion"] = "all"
    held_out: Literal["notes", "combinations", "both"] = "both"
    imbalance: Annotated[float, Field(ge=1.0, le=1000.0)] = 1.0
    captions: Annotated[int, Field(ge=1, le=5)] = 3
    touch: bool = False

    @model_validator(mode="after")
    def _check(self) -> "GeneralMidiSettings":
        if self.fewest_events > self.most_events:
            raise ValueError(
                f"expected fewest_events at most most_events, got {self.fewest_events} and "
                f"{self.most_events}"
            )
        return self


def _default_seconds(given: dict[str, Any]) -> float:
    return _CLIP_SECONDS[given["source"]]


def _default_val_share(given: dict[str, Any]) -> float | None:
    return 0.1 if given["source"] == "tuxpaint" else None


def _default_test_share(given: dict[str, Any]) -> float | None:
    return 0.2 if given["source"] == "tuxpaint" else None


class AudioSettings(Frozen):
    """Which clips with captions, how they are split, and what becomes of their sound.

    ``folder`` is where a source lies on every node, as an absolute path; nothing is downloaded.
    ``languages`` are those of the captions, in this order, by their two letters (ISO 639-1).

    ``fold`` (1 to 5 for ESC, 1 to 10 for UrbanSound8K) is the test split, the fold after it the
    val split, the others train; without it every clip is a test clip, for zero-shot
    classification. ``val_share`` and ``test_share`` split a source that has no splits of its own
    (tuxpaint, a manifest without a column ``split``), by ``split_seed``. ``limit`` keeps at most
    so many clips of each split, drawn by the same seed.

    ``missing: skip`` leaves out clips whose file is not there (AudioCaps loses videos every
    year) instead of refusing the source. ``file_rate_hz`` is the sample rate that all files must
    have; without it any rate is taken. All are resampled to ``sample_rate_hz``, and the mean of
    their channels is taken.

    ``imbalance`` thins out the train split's classes, in the source's order, each by the same
    factor more than the one before, until the last has 1 / ``imbalance`` of its clips; it is drawn
    by ``split_seed``, and every train clip must have one class (General MIDI, whose clips are
    drawn, has an ``imbalance`` of its own).

    ``hard_negatives`` K: of every batch, K pairs are the hardest negatives of one other, by how
    alike frozen captions are (:mod:`trainer.data.hard_negatives`); 0 draws batches at random.
    """

    source: AudioSourceName = "general_midi"
    folder: str | None = None
    languages: Annotated[tuple[str, ...], Field(min_length=1), AfterValidator(check_languages)] = (
        "en",
    )
    fold: Annotated[int, Field(ge=1, le=10)] | None = None
    val_share: Share | None = Field(default_factory=_default_val_share)
    test_share: Share | None = Field(default_factory=_default_test_share)
    split_seed: Annotated[int, Field(ge=0)] = 0
    limit: PositiveInt | None = None
    imbalance: Annotated[float, Field(ge=1.0, le=100.0)] = 1.0
    hard_negatives: Annotated[int, Field(ge=0)] = 0
    missing: Literal["refuse", "skip"] = "refuse"
    file_rate_hz: Annotated[int, Field(ge=1000, le=384_000)] | None = None
    sample_rate_hz: SampleRateHz = 32_000
    clip_seconds: Annotated[float, Field(gt=0.0, le=600.0)] = Field(
        default_factory=_default_seconds
    )
    fit: FitSettings = FitSettings()
    mel: MelSettings = MelSettings()
    augment: AudioAugmentSettings = AudioAugmentSettings()
    cache_dtype: Literal["float32", "float16"] = "float32"
    general_midi: GeneralMidiSettings | None = None

    @property
    def clip_samples(self) -> int:
        """Samples of a clip that was fitted."""
        return round(self.clip_seconds * self.sample_rate_hz)

    @property
    def frames(self) -> int:
        """Frames of its log-mel spectrogram."""
        return self.clip_samples // self.mel.hop_samples + 1

    @model_validator(mode="after")
    def _check(self) -> "AudioSettings":
        if self.clip_samples <= self.mel.window_samples // 2:
            raise ValueError(
                f"a clip of {self.clip_seconds} s has {self.clip_samples} samples, too few for "
                f"windows of {self.mel.window_samples}; expected more than half of that"
            )
        if self.mel.low_hz >= self.sample_rate_hz / 2:
            raise ValueError(
                f"expected mel.low_hz below half of {self.sample_rate_hz} Hz, got {self.mel.low_hz}"
            )
        if (self.val_share or 0.0) + (self.test_share or 0.0) >= 1.0:
            raise ValueError(
                f"val_share {self.val_share} and test_share {self.test_share} leave no clips to "
                "train with"
            )
        return self
