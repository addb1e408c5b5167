"""What an image source tells before its images are read: labels, shape, where images come from.

Everything that is drawn (the split, a limit, an imbalance) is drawn from the labels, so a study
can be validated by reading labels alone, and only the images that are used are read.

Shape legend: n = images asked for, N = images of a split, C = channels, H = height, W = width.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from trainer.errors import BadSourceError, DataSettingsError, MissingSourceError
from trainer.settings import DataSettings

Bytes = npt.NDArray[np.uint8]
Whole = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class SourceSplit:
    """Images with labels, in the order of the source.

    Attributes:
        place: File or folder that messages name.
        labels_N: int64 classes, shape (N,).
        read: Given the positions of n images, returns them as uint8 (n, C, H, W).
    """

    place: str
    labels_N: Whole
    read: Callable[[Whole], Bytes]


@dataclass(frozen=True, slots=True)
class ImageSource:
    """One source on disk.

    Attributes:
        train: The train split, or all images where ``test`` is None.
        test: The test split that the source itself has.
        class_count: Number of classes.
        image_shape: Channels, height, width.
        brightest: The value of a white pixel.
    """

    train: SourceSplit
    test: SourceSplit | None
    class_count: int
    image_shape: tuple[int, int, int]
    brightest: int = 255


def check_labels(source: ImageSource) -> None:
    """Check that all labels are classes, and that every split has every class.

    Raises:
        BadSourceError: If a label is out of range or a class is missing.
    """
    for split in (source.train, source.test):
        if split is None:
            continue
        sizes = np.bincount(split.labels_N.clip(0), minlength=source.class_count)
        wrong = split.labels_N[(split.labels_N < 0) | (split.labels_N >= source.class_count)]
        if len(wrong):
            raise BadSourceError(
                "source",
                f"{split.place}: expected labels from 0 to {source.class_count - 1}, got "
                f"{wrong[0]} ({len(wrong)} of {len(split.labels_N)} are out of range); "
                "is this another dataset?",
            )
        missing = np.flatnonzero(sizes == 0)
        if len(missing):
            raise BadSourceError(
                "source",
                f"{split.place}: expected images of {source.class_count} classes, got none of "
                f"class {missing[0]} ({len(missing)} are missing); is the file complete?",
            )


def refuse_given(settings: DataSettings, why_by_name: dict[str, str]) -> None:
    """Refuse settings that a source does not take.

    Raises:
        DataSettingsError: If one of them is given.
    """
    for name, why in why_by_name.items():
        if getattr(settings, name) is not None:
            raise DataSettingsError(name, f"{why}; leave it out for {settings.source}")


def folder_of(settings: DataSettings, how_to_get: str, default: Path | None = None) -> Path:
    """Return the folder of a source, which must exist.

    Raises:
        MissingSourceError: If there is none; the message says how to get the source.
        DataSettingsError: If the path is relative.
    """
    if settings.folder is None:
        if default is None:
            raise MissingSourceError(
                "source", f"{settings.source} needs data.folder, none is given; {how_to_get}"
            )
        if not default.is_dir():
            raise MissingSourceError("source", f"there is no folder {default}; {how_to_get}")
        return default
    folder = Path(settings.folder)
    # Relative to what? Lanes run elsewhere than the command that validated the study.
    if not folder.is_absolute():
        raise DataSettingsError(
            "folder",
            f"expected the absolute path of a folder on this machine, got {settings.folder!r}",
        )
    if not folder.is_dir():
        raise MissingSourceError("folder", f"there is no folder {folder}; {how_to_get}")
    return folder
