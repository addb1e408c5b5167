"""Sources of sounds with captions, for ``rankfall data list``: which are here, how to get others.

Nothing of them is downloaded: two are packages, the others stand on their authors' pages.
"""

from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Any

from orchestrator.source_row import SourceRow, study_line
from trainer.audio_settings import AudioSettings
from trainer.data.pair_facts import know_pairs
from trainer.errors import DataError, MissingSourceError
from trainer.trial_settings import SOUNDS


class SoundKind(StrEnum):
    """A source of sounds that can be had as it is."""

    GENERAL_MIDI = "general_midi"
    TUXPAINT = "tuxpaint"
    AUDIOCAPS = "audiocaps"
    CLOTHO = "clotho"
    ESC50 = "esc50"
    ESC10 = "esc10"
    URBANSOUND8K = "urbansound8k"


_UNPACKED = {
    SoundKind.ESC50: ("esc50", "ESC-50", "ESC-50-master"),
    SoundKind.ESC10: ("esc10", "esc50", "ESC-50", "ESC-50-master"),
    SoundKind.URBANSOUND8K: ("urbansound8k", "UrbanSound8K"),
}
"""Folders that a source may lie in: its own name, or those that its archive unpacks to."""


def find_sounds(kind: SoundKind, folder: Path) -> SourceRow:
    """Look for a source where its package puts it, or in a folder of its name.

    Captions and labels are read, and no sound.
    """
    problem = None
    for given in _places_of(kind, folder.resolve()):
        try:
            facts = know_pairs(AudioSettings.model_validate(given))
        except MissingSourceError:
            continue
        except DataError as error:
            problem = str(error)
            continue
        return SourceRow(
            source=kind,
            form=SOUNDS,
            is_here=True,
            train=facts.train_count,
            val=facts.val_count,
            test=facts.test_count,
            classes=facts.class_count if facts.class_count > 1 else None,
            study=study_line(given),
        )
    how = how_to_get_sounds(kind, folder)
    return SourceRow(source=kind, form=SOUNDS, get=how, problem=problem)


def how_to_get_sounds(kind: SoundKind, folder: Path) -> str:
    """Return the command that gets a source, or what to put where."""
    match kind:
        case SoundKind.GENERAL_MIDI:
            return "apt-get install timgm6mb-soundfont"
        case SoundKind.TUXPAINT:
            return "apt-get install tuxpaint-stamps-default"
        case SoundKind.AUDIOCAPS:
            files = "dataset/*.csv of https://github.com/cdjkim/audiocaps and the sounds they name"
        case SoundKind.CLOTHO:
            files = "the CSV and unpacked 7z files of https://zenodo.org/records/4783391"
        case SoundKind.ESC50 | SoundKind.ESC10:
            return f"unpack https://github.com/karolpiczak/ESC-50/archive/master.zip in {folder}"
        case SoundKind.URBANSOUND8K:
            return f"unpack UrbanSound8K.tar.gz of https://zenodo.org/records/1203745 in {folder}"
    return f"put {files} into {folder / _names_of(kind)[0]}"


def _places_of(kind: SoundKind, folder: Path) -> Iterator[dict[str, Any]]:
    """Yield the settings that a source may be found with."""
    if kind in (SoundKind.GENERAL_MIDI, SoundKind.TUXPAINT):
        yield {"source": kind.value}
        return
    for name in _names_of(kind):
        given: dict[str, Any] = {"source": kind.value, "folder": str(folder / name)}
        if kind in _UNPACKED:
            given["fold"] = 1
        if kind is SoundKind.AUDIOCAPS:
            given["missing"] = "skip"  # videos vanish: nobody has all of them
        yield given


def _names_of(kind: SoundKind) -> tuple[str, ...]:
    return _UNPACKED.get(kind, (kind.value,))
