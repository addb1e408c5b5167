"""What MLflow shows of the data that a study was trained on, with a digest that tells data apart.

The digest covers the labels (or ids and files) of everything that is chosen, and the pixels of
some images of either split: whoever has other images, another order or another split gets
another digest. Reading every image would take minutes where they lie in a folder.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice

import numpy as np

from search_spaces.study import Study
from trainer.audio_settings import AudioSettings
from trainer.data.audio.open_source import open_audio_source
from trainer.data.image_source import SourceSplit, Whole
from trainer.data.images import open_source
from trainer.data.subsets import choose_rows
from trainer.errors import DataError
from trainer.settings import DataSettings

DIGEST_CHARACTERS = 32
"""MLflow keeps 36 at most."""

MOST_DATASETS = 8
"""A study that varies its data shows so many of them."""

_SAMPLED = 64


@dataclass(frozen=True, slots=True)
class DatasetView:
    """One dataset input.

    Attributes:
        name: The source's.
        digest: 32 hexadecimal characters.
        source: The study's ``data`` as JSON.
        profile: Sizes as JSON.
    """

    name: str
    digest: str
    source: str
    profile: str


def view_datasets(study: Study) -> list[DatasetView]:
    """Return the data of a study's slices; those that are not here are left out."""
    points = [study.corner(kind) for kind in study.kinds]
    for axis in study.axes:
        if axis.path.startswith("data."):
            points = [p.replace(axis.path, value) for p in points for value in axis.grid()]
    distinct = {(s := study.settings_at(point).data).model_dump_json(): s for point in points}
    views: list[DatasetView] = []
    for data in islice(distinct.values(), MOST_DATASETS):
        try:
            views.append(view_dataset(data))
        except DataError:
            continue  # a ledger may be looked at where its data are not
    return views


def view_dataset(data: DataSettings | AudioSettings) -> DatasetView:
    """Return one dataset.

    Raises:
        DataError: If it is not here, or is damaged.
    """
    content = _read_sounds(data) if isinstance(data, AudioSettings) else _read_images(data)
    digest, sizes = content
    source = data.model_dump_json(exclude_unset=True, by_alias=True)
    return DatasetView(data.source, digest, source, json.dumps(sizes))


def _read_images(data: DataSettings) -> tuple[str, Mapping[str, int]]:
    source = open_source(data)
    rows = choose_rows(source, data)
    test = source.train if source.test is None else source.test
    hasher = hashlib.sha256(repr(source.image_shape).encode())
    for split, rows_n in ((source.train, rows.train_n), (test, rows.test_n)):
        hasher.update(_bytes_of(split, rows_n))
    sizes = {"train": len(rows.train_n), "test": len(rows.test_n), "classes": source.class_count}
    return hasher.hexdigest()[:DIGEST_CHARACTERS], sizes


def _bytes_of(split: SourceSplit, rows_n: Whole) -> bytes:
    spread = np.linspace(0, len(rows_n) - 1, min(_SAMPLED, len(rows_n))).astype(np.int64)
    images = split.read(rows_n[spread])
    return rows_n.tobytes() + split.labels_N[rows_n].tobytes() + images.tobytes()


def _read_sounds(data: AudioSettings) -> tuple[str, Mapping[str, int]]:
    source = open_audio_source(data)
    captions = [(clip.split, sorted(clip.captions.items()), clip.labels) for clip in source.clips]
    hasher = hashlib.sha256(source.digest().encode() + repr(captions).encode())
    sizes = {str(split): count for split, count in source.sizes().items()}
    return hasher.hexdigest()[:DIGEST_CHARACTERS], sizes
