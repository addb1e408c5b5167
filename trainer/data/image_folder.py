"""Images in one folder per class, and Tiny-ImageNet's layout.

Layouts of ``data.folder``, by what is in it:

- ``train/CLASS/...`` with ``test/CLASS/...`` (or ``val/CLASS/...``): two splits of its own;
- ``train/CLASS/...`` with ``val/images`` and ``val/val_annotations.txt``: Tiny-ImageNet, whose
  own test folder has no labels, so that ``val`` is the test split;
- ``CLASS/...``: one set of images, which ``data.test_fraction`` splits.

Classes are the names of the folders, sorted; images may lie deeper. Each is cut to a square
around its middle and scaled to ``data.image_size``; alpha is dropped.
"""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from trainer.data.image_source import (
    Bytes,
    ImageSource,
    SourceSplit,
    Whole,
    folder_of,
    refuse_given,
)
from trainer.errors import BadSourceError, DataSettingsError
from trainer.settings import DataSettings

_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff", ".pgm", ".ppm"})
_GREY_MODES = frozenset({"1", "L", "LA"})
_COLOUR_MODES = frozenset({"RGB", "RGBA", "P", "CMYK", "YCbCr"})
_TINY_LABELS = "val_annotations.txt"
_HOW_TO_GET = (
    "give the folder that holds one folder of images per class, e.g. the one that rankfall data "
    "get tiny_imagenet names"
)

FilesByClass = Mapping[str, list[Path]]


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads the images of one split."""

    files: tuple[Path, ...]
    size: int
    is_colour: bool
    converts: bool

    def read(self, rows_n: Whole) -> Bytes:
        """Return images, (n, C, size, size)."""
        images = np.empty((len(rows_n), 3 if self.is_colour else 1, self.size, self.size), np.uint8)
        for image, row in zip(images, rows_n, strict=True):
            image[:] = self._read_one(self.files[row])
        return images

    def _read_one(self, path: Path) -> Bytes:
        if not self.converts and _is_colour(path) != self.is_colour:
            kinds = ("colour", "grey") if self.is_colour else ("grey", "colour")
            raise BadSourceError(
                "folder",
                f"{path}: expected a {kinds[0]} image as the first one is, got a {kinds[1]} one; "
                "set data.colour: rgb or grey to convert all images",
            )
        try:
            with Image.open(path) as image:
                plain = image.convert("RGB" if self.is_colour else "L")
        except (OSError, SyntaxError, ValueError) as error:
            raise _unreadable(path, error) from error
        square = ImageOps.fit(plain, (self.size, self.size), Image.Resampling.BILINEAR)
        pixels: Bytes = np.asarray(square)
        return pixels.transpose(2, 0, 1) if self.is_colour else pixels[None]


def open_image_folder(settings: DataSettings) -> ImageSource:
    """List the files, and read the header of the first.

    Raises:
        MissingSourceError: If the folder is not there.
        BadSourceError: If it holds no classes, or the splits do not have the same.
        DataSettingsError: If ``image_size`` is missing, or ``test_fraction`` is given for a
            folder with a test split or missing for one without.
    """
    folder = folder_of(settings, _HOW_TO_GET)
    if settings.image_size is None:
        raise DataSettingsError(
            "image_size", "image_folder needs it: pixels to a side, e.g. 32; none is given"
        )
    train, test = _list_splits(folder, settings)
    classes = sorted(train)
    first = train[classes[0]][0]
    is_colour = _is_colour(first) if settings.colour is None else settings.colour == "rgb"

    def split_of(place: Path, files_by_class: FilesByClass) -> SourceSplit:
        files = tuple(path for name in classes for path in files_by_class[name])
        sizes = [len(files_by_class[name]) for name in classes]
        labels_N = np.repeat(np.arange(len(classes), dtype=np.int64), sizes)
        assert settings.image_size is not None
        reader = _Reader(files, settings.image_size, is_colour, settings.colour is not None)
        return SourceSplit(str(place), labels_N, reader.read)

    shape = (3 if is_colour else 1, settings.image_size, settings.image_size)
    return ImageSource(
        train=split_of(folder, train),
        test=None if test is None else split_of(folder, test),
        class_count=len(classes),
        image_shape=shape,
    )


def _list_splits(folder: Path, settings: DataSettings) -> tuple[FilesByClass, FilesByClass | None]:
    if not (folder / "train").is_dir():
        if settings.test_fraction is None:
            raise DataSettingsError(
                "test_fraction",
                f"{folder} has no train folder, so it has no test split of its own; give the "
                "share of images to test with, e.g. 0.3",
            )
        return _list_classes(folder), None
    refuse_given(settings, {"test_fraction": f"{folder} has a test split of its own"})
    train = _list_classes(folder / "train")
    test_folder = _test_folder_of(folder)
    if (test_folder / _TINY_LABELS).is_file():
        test: FilesByClass = _list_tiny(test_folder, train)
    else:
        test = _list_classes(test_folder)
    odd = sorted(train.keys() ^ test.keys())
    if odd:
        where = test_folder if odd[0] in train else folder / "train"
        raise BadSourceError(
            "folder",
            f"expected the same classes in {folder / 'train'} and {test_folder}; "
            f"{odd[0]!r} is missing in {where}",
        )
    return train, test


def _test_folder_of(folder: Path) -> Path:
    if (folder / "val" / _TINY_LABELS).is_file():
        return folder / "val"
    for name in ("test", "val"):
        if (folder / name).is_dir():
            return folder / name
    raise BadSourceError("folder", f"{folder} has train, but neither test nor val beside it")


def _list_classes(folder: Path) -> FilesByClass:
    """Return the images below each folder, sorted."""
    names = sorted(p.name for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))
    if len(names) < 2:
        raise BadSourceError(
            "folder",
            f"expected a folder of images for each of at least 2 classes in {folder}, got "
            f"{len(names)}; {_HOW_TO_GET}",
        )
    files_by_class = {name: sorted(_images_below(folder / name)) for name in names}
    for name, files in files_by_class.items():
        if not files:
            raise BadSourceError(
                "folder",
                f"class folder {folder / name} has no images (by their suffixes: "
                f"{', '.join(sorted(_SUFFIXES))}); remove it or fill it",
            )
    return files_by_class


def _images_below(folder: Path) -> Iterator[Path]:
    for parent, _, names in os.walk(folder):
        yield from (Path(parent, n) for n in names if Path(n).suffix.lower() in _SUFFIXES)


def _list_tiny(folder: Path, train: FilesByClass) -> FilesByClass:
    """Return the images of Tiny-ImageNet's ``val`` by the classes its text file gives them."""
    listing = folder / _TINY_LABELS
    files_by_class: dict[str, list[Path]] = {}
    for number, line in enumerate(listing.read_text("utf-8").splitlines(), 1):
        fields = line.split("\t")
        if len(fields) < 2 or fields[1] not in train:
            got = fields[1] if len(fields) > 1 else line
            raise BadSourceError(
                "folder",
                f"{listing}:{number}: expected a file, a tab and one of the {len(train)} classes "
                f"of train, got {got!r}",
            )
        files_by_class.setdefault(fields[1], []).append(folder / "images" / fields[0])
    return files_by_class


def _is_colour(path: Path) -> bool:
    """Return whether an image has colours, by its header."""
    try:
        with Image.open(path) as image:
            mode = image.mode
    except (OSError, SyntaxError, ValueError) as error:
        raise _unreadable(path, error) from error
    if mode not in _GREY_MODES | _COLOUR_MODES:
        raise BadSourceError(
            "folder", f"{path}: expected 8 bits for each channel, got an image of mode {mode}"
        )
    return mode in _COLOUR_MODES


def _unreadable(path: Path, error: Exception) -> BadSourceError:
    why = "no image format" if isinstance(error, UnidentifiedImageError) else str(error)
    return BadSourceError("folder", f"{path}: expected an image that can be read ({why})")
