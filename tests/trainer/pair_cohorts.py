"""Small audio-text cohorts on sounds that are written for the test: tones named by their pitch."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.trainer.data.audio.sound_files import write_csv, write_sound
from trainer.audio_settings import AudioSettings
from trainer.cohort import Cohort, Member
from trainer.settings import CollapseSettings, EvaluateSettings, SharedTrainSettings
from trainer.tower_settings import TowersSettings

_PITCHES = ("lowest", "low", "middle", "high", "highest", "shrill", "piercing", "deep")
_GERMAN = (
    "tiefster",
    "tiefer",
    "mittlerer",
    "hoher",
    "höchster",
    "greller",
    "spitzer",
    "dumpfer",
)
SPLITS = {"train": 6, "val": 1, "test": 1}
"""Clips of every pitch in each split; they differ in their tuning. No two test clips share a
caption, which would be a tie that neither wins."""

NEVER_EARLY = CollapseSettings(every_steps=5, settle_checks=0, utility="recall_at_1")


def write_tones(folder: Path) -> None:
    """Write tones of 0.2 seconds at 16 kHz, each with two English captions and a German one."""
    rows: list[Sequence[object]] = []
    for split, count in SPLITS.items():
        for number, (pitch, german) in enumerate(zip(_PITCHES, _GERMAN, strict=True)):
            for take in range(count):
                path = f"{split}/{number}-{take}.wav"
                detune = 1 + 0.004 * (take + 10 * (split != "train"))
                write_sound(folder / path, hz=220 * 1.6**number * detune, rate_hz=16_000)
                own = f"a {pitch} tone, take {take}", f"tone that is {pitch}", f"ein {german} Ton"
                rows.append((path, *own, split, pitch))
    columns = ("path", "caption", "caption_2", "caption_de", "split", "class")
    write_csv(folder / "manifest.csv", columns, rows)


def tones(folder: Path, **settings: Any) -> AudioSettings:
    """Return the settings of a folder of tones."""
    given = {
        "source": "manifest",
        "folder": str(folder),
        "languages": ("en", "de"),
        "sample_rate_hz": 16_000,
        "clip_seconds": 0.2,
        "mel": {"window_samples": 256, "hop_samples": 128, "bands": 16, "high_hz": 8000.0},
    }
    return AudioSettings.model_validate(given | settings)


def make_pair_cohort(
    members: Sequence[Member],
    data: AudioSettings,
    *,
    model: dict[str, Any] | None = None,
    train: dict[str, Any] | None = None,
    evaluate: dict[str, Any] | None = None,
    collapse: CollapseSettings = NEVER_EARLY,
) -> Cohort:
    """Return a cohort on tones: features without a network under small heads, few steps."""
    small = {"head_hidden": (16,), "embed_dim": 8, "text": {"buckets": 64}}
    return Cohort(
        cohort_id="pairs",
        data=data,
        model=TowersSettings.model_validate(small | (model or {})),
        train=SharedTrainSettings.model_validate(
            {"batch_size": 16, "steps": 10, "optimizer": "adam"} | (train or {})
        ),
        collapse=collapse,
        evaluate=EvaluateSettings.model_validate(evaluate or {}),
        members=tuple(members),
    )
