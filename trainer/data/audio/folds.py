"""Datasets of classified sounds in folds: ESC-50, ESC-10 and UrbanSound8K.

A fold is tested with, the next one (after the last the first) selects, the others train: sounds
cut from one recording are in one fold, so folds must not be mixed. Without a fold every clip is
a test clip, for zero-shot classification. Captions are the prompt of SupCLAP and CLAP, "This is
a sound of {label}"; the labels are the dataset's English ones, with spaces.

References:
    Piczak, "ESC: dataset for environmental sound classification", ACM MM 2015.
    Salamon, Jacoby & Bello, "A dataset and taxonomy for urban sound research", ACM MM 2014.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
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
from trainer.errors import DataSettingsError

_ESC_FROM = "get https://github.com/karolpiczak/ESC-50/archive/master.zip and unpack it"
_URBAN_FROM = "get UrbanSound8K.tar.gz of https://zenodo.org/records/1203745 and unpack it"


@dataclass(frozen=True, slots=True)
class _Layout:
    """Where one of the datasets says what."""

    listing: str
    columns: tuple[str, ...]
    name: str
    class_name: str
    number: str
    folds: int
    most_classes: int
    how_to_get: str


_ESC = _Layout(
    listing="meta/esc50.csv",
    columns=("filename", "fold", "target", "category", "esc10"),
    name="filename",
    class_name="category",
    number="target",
    folds=5,
    most_classes=50,
    how_to_get=_ESC_FROM,
)
_URBAN = _Layout(
    listing="metadata/UrbanSound8K.csv",
    columns=("slice_file_name", "fold", "classID", "class"),
    name="slice_file_name",
    class_name="class",
    number="classID",
    folds=10,
    most_classes=10,
    how_to_get=_URBAN_FROM,
)


def open_esc(settings: AudioSettings) -> AudioSource:
    """Read ESC-50's listing: ``meta/esc50.csv``, with the sounds in ``audio``.

    ESC-10 is its ten classes that are easiest to tell, marked in the same file.

    Raises:
        MissingSourceError: If a file or folder is not there.
        BadSourceError: If one of them is damaged; rows and sounds are named (BadClipError).
        DataSettingsError: If settings are given that do not apply.
    """
    folder, rows = _open(settings, _ESC)
    if settings.source == "esc10":
        rows = [row for row in rows if row.text("esc10") == "True"]
    return _source(settings, _ESC, folder, rows, lambda _: folder / "audio")


def open_urbansound(settings: AudioSettings) -> AudioSource:
    """Read UrbanSound8K's listing: ``metadata/UrbanSound8K.csv``, sounds in ``audio/foldN``.

    Raises:
        MissingSourceError: If a file or folder is not there.
        BadSourceError: If one of them is damaged; rows and sounds are named (BadClipError).
        DataSettingsError: If settings are given that do not apply.
    """
    folder, rows = _open(settings, _URBAN)
    return _source(
        settings, _URBAN, folder, rows, lambda row: folder / "audio" / f"fold{row.text('fold')}"
    )


def _open(settings: AudioSettings, layout: _Layout) -> tuple[Path, list[Row]]:
    refuse_given(settings, "val_share", "test_share", "general_midi")
    if settings.fold is not None and settings.fold > layout.folds:
        raise DataSettingsError(
            "fold", f"{settings.source} has folds 1 to {layout.folds}, got {settings.fold}"
        )
    folder = folder_of(settings, layout.how_to_get)
    check_languages_of(settings, ("en",), settings.source)
    return folder, read_rows(folder / layout.listing, layout.columns, layout.how_to_get)


def _source(
    settings: AudioSettings,
    layout: _Layout,
    folder: Path,
    rows: Sequence[Row],
    sounds_of: Callable[[Row], Path],
) -> AudioSource:
    """Number the classes in the dataset's own order, from 0."""
    name_by_number = _class_names(rows, layout)
    label_by_number = {number: label for label, number in enumerate(sorted(name_by_number))}
    entries: list[Entry] = []
    for row in rows:
        number = int(row.text(layout.number))
        name, file_name = name_by_number[number], row.file_name(layout.name)
        clip = Clip(
            id=file_name,
            split=_split_of(row.whole("fold", 1, layout.folds), settings.fold, layout.folds),
            captions={"en": (f"This is a sound of {name}",)},
            labels=(label_by_number[number],),
        )
        entries.append(Entry(clip, Recording(sounds_of(row) / file_name, row.place)))
    class_names = {"en": tuple(name_by_number[number] for number in label_by_number)}
    return assemble(entries, settings, class_names, folder)


def _class_names(rows: Sequence[Row], layout: _Layout) -> dict[int, str]:
    """Return the classes' names by their numbers, which must agree in all rows."""
    name_by_number: dict[int, str] = {}
    for row in rows:
        number = row.whole(layout.number, 0, layout.most_classes - 1)
        name = row.text(layout.class_name).replace("_", " ")
        if name_by_number.setdefault(number, name) != name:
            raise row.bad(
                f"expected class {number} to be {name_by_number[number]!r} as before, got {name!r}"
            )
    return name_by_number


def _split_of(fold: int, test_fold: int | None, folds: int) -> Split:
    if test_fold is None or fold == test_fold:
        return "test"
    return "val" if fold == test_fold % folds + 1 else "train"
