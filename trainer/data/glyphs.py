"""Glyphs: the letters A to Z and the digits 0 to 9 of many fonts, 36 classes of equal size.

Rendered here, white on black: cut to the bounding box, scaled so that the longer side fills the
image but for a margin of a fourteenth, centred. The fonts are split, not the pictures, and by
family: no picture of a test font is a bolder or hollow one of a train font. What keeps a font out
stands in ``glyph_fonts``; of Debian's 465 it is one.

Shape legend: F = fonts, K = 36 characters, S = pixels to a side, n = images asked for.
"""

import math
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from trainer.data.glyph_fonts import CHARACTERS, draw_fonts, family_of, list_fonts
from trainer.data.image_source import (
    Bytes,
    ImageSource,
    SourceSplit,
    Whole,
    folder_of,
    refuse_given,
)
from trainer.errors import BadSourceError, DataSettingsError, MissingSourceError
from trainer.seeds import generator_for
from trainer.settings import DataSettings

Flags = npt.NDArray[np.bool_]

PACKAGE_FOLDER = Path("/usr/share/fonts/truetype/aenigma")
HOW_TO_GET = "run: apt-get install fonts-aenigma, or give data.folder with .ttf or .otf fonts"

_DEFAULT_SIZE = 28
_LARGEST = 128


def open_glyphs(settings: DataSettings) -> ImageSource:
    """Draw the fonts (465 in about 3 seconds, once for a node) and split them.

    Raises:
        MissingSourceError: If the folder is not there, or has no fonts.
        BadSourceError: If fewer than two families can be used.
        DataSettingsError: If ``colour`` is given, ``test_fraction`` is null, or images are larger
            than 128 pixels.
    """
    refuse_given(settings, {"colour": "glyphs are grey"})
    size = settings.image_size or _DEFAULT_SIZE
    if size > _LARGEST:
        raise DataSettingsError("image_size", f"glyphs have at most {_LARGEST} pixels to a side")
    if settings.test_fraction is None:
        raise DataSettingsError(
            "test_fraction", "expected a number, the share of the glyphs' fonts to test with"
        )
    folder = folder_of(settings, HOW_TO_GET, PACKAGE_FOLDER)
    paths = list_fonts(folder)
    if not paths:
        raise MissingSourceError("folder", f"there are no fonts below {folder}; {HOW_TO_GET}")
    pictures_FKSS = draw_fonts(paths, size)
    usable = np.flatnonzero(pictures_FKSS.any(axis=(1, 2, 3)))
    families = [family_of(paths[font]) for font in usable]
    if len(set(families)) < 2:
        raise BadSourceError(
            "folder",
            f"expected fonts of at least 2 families that draw A-Z and 0-9 below {folder}, got "
            f"{len(set(families))} ({len(usable)} of {len(paths)} fonts can be used); {HOW_TO_GET}",
        )
    is_test = draw_test_fonts(families, settings.test_fraction, settings.split_seed)
    return ImageSource(
        train=_split_of(f"{folder} (train fonts)", pictures_FKSS, usable[~is_test]),
        test=_split_of(f"{folder} (test fonts)", pictures_FKSS, usable[is_test]),
        class_count=len(CHARACTERS),
        image_shape=(1, size, size),
    )


def draw_test_fonts(families: list[str], test_fraction: float, split_seed: int) -> Flags:
    """Draw whole families to test with, until they have the share of fonts asked for.

    Args:
        families: The family of each of F fonts; at least two different ones.
        test_fraction: Share of the fonts to test with; a family more rather than one less, but
            one family stays to train with.
        split_seed: What the draw depends on.

    Returns:
        Which fonts test, shape (F,); some do and some do not.
    """
    names, family_F = np.unique(families, return_inverse=True)
    sizes = np.bincount(family_F)
    order = torch.randperm(len(names), generator=generator_for(split_seed, "glyph-fonts")).numpy()
    wanted = math.ceil(test_fraction * len(families))
    count = 1 + int(np.searchsorted(sizes[order].cumsum(), wanted))
    is_test_F: Flags = np.isin(family_F, order[: min(count, len(names) - 1)])
    return is_test_F


def _split_of(place: str, pictures_FKSS: Bytes, fonts: Whole) -> SourceSplit:
    """Make a split of fonts: font after font, each from A to 9."""

    def read(rows_n: Whole) -> Bytes:
        font_n, character_n = np.divmod(rows_n, len(CHARACTERS))
        return pictures_FKSS[fonts[font_n], character_n][:, None]

    labels_N = np.tile(np.arange(len(CHARACTERS), dtype=np.int64), len(fonts))
    return SourceSplit(place, labels_N, read)
