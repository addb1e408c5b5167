"""``rankfall data``: which sources of images and sounds are here, and how to get the others."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.table import Table
from rich.text import Text

from orchestrator.data_kind import DataKind
from orchestrator.download import Told
from orchestrator.errors import DownloadError
from orchestrator.published_data import PUBLISHED, get_data
from orchestrator.sound_sources import SoundKind, find_sounds
from orchestrator.source_row import SourceRow, study_line
from trainer.data.images import know_images
from trainer.errors import DataError, MissingSourceError
from trainer.settings import DataSettings
from trainer.trial_settings import IMAGES, SOUNDS

_PACKAGES = {DataKind.GLYPHS: "fonts-aenigma", DataKind.FASHION_MNIST: "dataset-fashion-mnist"}
_TINY_PIXELS = 64


def list_data(folder: Path) -> list[dict[str, Any]]:
    """Return a :class:`SourceRow` for each source, as a mapping.

    Args:
        folder: Where ``rankfall data get`` puts what it gets.
    """
    rows = [find_source(kind, folder) for kind in DataKind]
    rows += [find_sounds(kind, folder) for kind in SoundKind]
    return [dataclasses.asdict(row) for row in rows]


def find_source(kind: DataKind, folder: Path) -> SourceRow:
    """Look for a source where its package puts it, and where ``rankfall data get`` does."""
    problem = None
    for given in _places_of(kind, folder.resolve()):
        try:
            facts = know_images(DataSettings.model_validate(given))
        except MissingSourceError:
            continue
        except DataError as error:
            problem = str(error)
            continue
        channels, height, width = facts.image_shape
        return SourceRow(
            source=kind,
            is_here=True,
            train=facts.train_count,
            test=facts.test_count,
            classes=facts.class_count,
            pixels=f"{height} x {width}{' rgb' if channels == 3 else ''}",
            study=study_line(given),
        )
    return SourceRow(source=kind, get=how_to_get(kind), problem=problem)


def how_to_get(kind: DataKind) -> str:
    """Return the command that gets a source."""
    match kind:
        case DataKind.DIGITS:
            return "pip install scikit-learn"
        case DataKind.GLYPHS:
            return f"apt-get install {_PACKAGES[kind]}"
        case DataKind.FASHION_MNIST:
            return f"apt-get install {_PACKAGES[kind]}, or: rankfall data get {kind}"
        case DataKind.CIFAR10 | DataKind.CIFAR100 | DataKind.TINY_IMAGENET:
            return f"rankfall data get {kind}"


def show_data(rows: Sequence[Mapping[str, Any]]) -> RenderableType:
    """Return the rows of :func:`list_data` as two tables."""
    images = [row for row in rows if row["form"] == IMAGES]
    own = "data: {source: image_folder, folder: ..., image_size: 32}, one folder for each class"
    of_images = _table(images, "images", ("train", "test", "classes", "pixels"))
    of_images.add_row("image_folder", *["-"] * 4, Text(own))
    sounds = [row for row in rows if row["form"] == SOUNDS]
    own = "data: {source: manifest, folder: ...}, with a manifest.csv: path, caption, split, class"
    of_sounds = _table(sounds, "sounds with captions", ("train", "val", "test", "classes"))
    of_sounds.add_row("manifest", *["-"] * 4, Text(own))
    return Group(of_images, "", of_sounds)


def _table(rows: Sequence[Mapping[str, Any]], title: str, numbers: Sequence[str]) -> Table:
    """Return one form's sources; ``numbers`` are fields, each a column."""
    table = Table(box=None, pad_edge=False)
    table.add_column(title)
    for name in numbers:
        table.add_column(name, justify="right")
    table.add_column("in a study, or how to get it", overflow="fold")
    for row in rows:
        last = f"data: {row['study']}" if row["is_here"] else row["problem"] or row["get"]
        counts = ("-" if row[name] is None else str(row[name]) for name in numbers)
        table.add_row(row["source"], *counts, Text(str(last)))
    return table


def get_source(kind: DataKind, folder: Path, mirror: str | None, console: Console) -> str:
    """Get a source, and return what a study says under ``data`` to use it.

    Args:
        kind: Which one.
        folder: Where to: the source gets a folder of its own in it.
        mirror: Address of the folder to get the files from, in the place of the published one.
        console: Where to show a progress bar.

    Raises:
        DownloadError: If it cannot be had, or only by a package, which needs root to install.
    """
    data = PUBLISHED.get(kind)
    if data is None:
        here = find_source(kind, folder)
        if here.study is None:
            raise DownloadError(
                f"{kind} come as a package, which needs root to install; run: {how_to_get(kind)}"
            )
        return here.study
    if mirror is not None:
        data = data.from_mirror(mirror)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as progress:

        def show(name: str) -> Told:
            task = progress.add_task(name, total=None)
            return lambda done, size: progress.update(task, completed=done, total=size)

        place = get_data(data, folder.resolve() / kind, show)
    return study_line(_settings_of(kind, place))


def _places_of(kind: DataKind, folder: Path) -> list[dict[str, Any]]:
    """Return the settings that a source may be found with."""
    places = [] if kind in PUBLISHED and kind not in _PACKAGES else [{"source": kind.value}]
    if kind in PUBLISHED:
        inside = PUBLISHED[kind].unpacks_to
        places.append(_settings_of(kind, folder / kind / inside if inside else folder / kind))
    return places


def _settings_of(kind: DataKind, place: Path) -> dict[str, Any]:
    if kind is DataKind.TINY_IMAGENET:
        return {"source": "image_folder", "folder": str(place), "image_size": _TINY_PIXELS}
    return {"source": kind.value, "folder": str(place)}
