"""Clotho: 15-30 s sounds of Freesound, five captions each, in the published splits.

Layout of the folder: ``clotho_captions_{development,validation,evaluation}.csv`` (columns
file_name, caption_1 .. caption_5) and the sounds of each in a folder ``development``,
``validation`` and ``evaluation``, or ``clotho_audio_development`` and so on.

References:
    Drossos, Lipping & Virtanen, "Clotho: an audio captioning dataset", ICASSP 2020,
    arXiv:1910.09387.
"""

from pathlib import Path

from trainer.audio_settings import AudioSettings
from trainer.data.audio.assemble import (
    Entry,
    assemble,
    check_languages_of,
    folder_of,
    refuse_given,
)
from trainer.data.audio.recordings import Recording
from trainer.data.audio.rows import Row, read_rows
from trainer.data.audio.source import AudioSource, Clip, Split
from trainer.errors import MissingSourceError

_SPLITS: dict[str, Split] = {"development": "train", "validation": "val", "evaluation": "test"}
_CAPTIONS = tuple(f"caption_{number}" for number in range(1, 6))
_HOW_TO_GET = (
    "get clotho_captions_*.csv and clotho_audio_*.7z of https://zenodo.org/records/4783391 and "
    "unpack them into one folder"
)


def open_clotho(settings: AudioSettings) -> AudioSource:
    """Read the three CSV files.

    Raises:
        MissingSourceError: If a file or folder is not there.
        BadSourceError: If one of them is damaged; rows and sounds are named (BadClipError).
        DataSettingsError: If settings are given that do not apply.
    """
    refuse_given(settings, "fold", "val_share", "test_share", "general_midi")
    folder = folder_of(settings, _HOW_TO_GET)
    check_languages_of(settings, ("en",), "Clotho")
    entries: list[Entry] = []
    for name, split in _SPLITS.items():
        path = folder / f"clotho_captions_{name}.csv"
        rows = read_rows(path, ("file_name", *_CAPTIONS), _HOW_TO_GET)
        sounds = _sounds_of(folder, name)
        entries.extend(_entry(row, split, sounds) for row in rows)
    return assemble(entries, settings, {}, folder)


def _sounds_of(folder: Path, name: str) -> Path:
    for sounds in (folder / name, folder / f"clotho_audio_{name}"):
        if sounds.is_dir():
            return sounds
    raise MissingSourceError("folder", f"there is no folder {folder / name}; {_HOW_TO_GET}")


def _entry(row: Row, split: Split, sounds: Path) -> Entry:
    name = row.file_name("file_name")
    captions = tuple(row.text(column) for column in _CAPTIONS)
    # Freesound's names are not unique across the splits.
    clip = Clip(f"{split}/{name}", split, {"en": captions})
    return Entry(clip, Recording(sounds / name, row.place))
