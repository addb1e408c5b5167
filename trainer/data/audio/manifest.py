"""Any sounds with captions: a folder with a ``manifest.csv``.

Columns of the manifest, in any order (others are ignored):

- ``path``: the sound, below the folder; required;
- ``caption`` (English) or ``caption_<language>``, and ``caption_2`` or ``caption_<language>_2``
  and so on for further captions of the same clip: one language at least. A clip's first caption
  in a language must be there; further ones may be empty;
- ``split``: train, val or test; without the column ``val_share`` and ``test_share`` split;
- ``class``: the clip's class, or several parted by ``;``. Classes are numbered in sorted order;
- ``id``: otherwise the path;
- ``sample_rate_hz``: what the file's sample rate is declared to be; checked when it is read.
"""

import re
from collections.abc import Sequence
from pathlib import Path

from trainer.audio_settings import AudioSettings
from trainer.data.audio.assemble import (
    Entry,
    assemble,
    check_languages_of,
    draw_splits,
    folder_of,
    refuse_given,
)
from trainer.data.audio.recordings import Recording
from trainer.data.audio.rows import Row, read_rows
from trainer.data.audio.source import AudioSource, Clip, Split
from trainer.errors import BadSourceError
from trainer.languages import LANGUAGES

_CAPTION = re.compile(r"caption(?:_(?P<language>[^_\d][^_]*))?(?:_(?P<number>\d+))?")
_HOW_TO_GET = (
    "give a folder with a manifest.csv: columns path, caption or caption_<language>, split, class"
)

Columns = dict[str, list[str]]


def open_manifest(settings: AudioSettings) -> AudioSource:
    """Read the manifest.

    Raises:
        MissingSourceError: If folder or manifest is not there.
        BadSourceError: If the manifest is damaged; rows and sounds are named (BadClipError).
        DataSettingsError: If a language is not there, or shares are given for a manifest with
            splits or missing for one without.
    """
    refuse_given(settings, "fold", "general_midi")
    folder = folder_of(settings, _HOW_TO_GET)
    path = folder / "manifest.csv"
    rows = read_rows(path, ("path",), _HOW_TO_GET)
    columns = _caption_columns(path, tuple(rows[0].fields))
    check_languages_of(settings, tuple(columns), str(path))
    if "split" in rows[0].fields:
        refuse_given(settings, "val_share", "test_share")
        splits = [row.split() for row in rows]
    else:
        splits = draw_splits(len(rows), settings)
    class_names = _class_names(rows)
    label_by_name = {name: label for label, name in enumerate(class_names)}
    entries = [
        _entry(row, split, {name: columns[name] for name in settings.languages}, label_by_name)
        for row, split in zip(rows, splits, strict=True)
    ]
    return assemble(entries, settings, {"en": class_names} if class_names else {}, folder)


def _caption_columns(path: Path, names: Sequence[str]) -> Columns:
    """Return the columns of each language, the lowest number first."""
    numbered: dict[str, dict[int, str]] = {}
    for name in names:
        match = _CAPTION.fullmatch(name)
        if match is None:
            continue
        language = match["language"] or "en"
        if language not in LANGUAGES:
            raise BadSourceError(
                "folder",
                f"{path}:1: column {name!r}: expected caption_<language> with the two letters of "
                f"ISO 639-1, e.g. caption_fr, got {language!r}",
            )
        number = int(match["number"] or 1)
        if number in numbered.setdefault(language, {}):
            raise BadSourceError(
                "folder",
                f"{path}:1: columns {numbered[language][number]!r} and {name!r} both are caption "
                f"{number} in {language}; remove one of them",
            )
        numbered[language][number] = name
    if not numbered:
        raise BadSourceError(
            "folder", f"{path}:1: expected a column caption or caption_<language>, got none"
        )
    return {
        language: [by_number[number] for number in sorted(by_number)]
        for language, by_number in numbered.items()
    }


def _class_names(rows: Sequence[Row]) -> tuple[str, ...]:
    return tuple(sorted({name for row in rows for name in _classes_of(row)}))


def _classes_of(row: Row) -> list[str]:
    if "class" not in row.fields:
        return []
    return [name.strip() for name in row.text("class").split(";") if name.strip()]


def _entry(row: Row, split: Split, columns: Columns, label_by_name: dict[str, int]) -> Entry:
    name = row.file_name("path")
    clip = Clip(
        id=row.text("id") if "id" in row.fields else name,
        split=split,
        captions={language: _captions(row, names) for language, names in columns.items()},
        labels=tuple(label_by_name[class_name] for class_name in _classes_of(row)),
    )
    rate_hz = None
    if row.fields.get("sample_rate_hz", "").strip():
        rate_hz = row.whole("sample_rate_hz", 1000, 384_000)
    return Entry(clip, Recording(row.path.parent / name, row.place, rate_hz))


def _captions(row: Row, names: Sequence[str]) -> tuple[str, ...]:
    further = (row.fields[name].strip() for name in names[1:])
    return (row.text(names[0]), *(caption for caption in further if caption))
