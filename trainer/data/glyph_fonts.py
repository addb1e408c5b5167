"""Which fonts draw the letters A to Z and the digits 0 to 9, and their pictures.

A font is left out if FreeType cannot draw it, if it lacks one of the 36 characters (no ink, or the
picture that it has for characters it lacks), or if it draws fewer than 30 different pictures:
many fonts draw O and 0 alike, or I and 1, and 5 such pairs are let pass.

Shape legend: F = fonts, K = 36 characters, S = pixels to a side.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageFont, features
from torch import Tensor

from trainer.data.feature_cache import cache_folder, cached_features
from trainer.data.image_source import Bytes
from trainer.errors import FeatureCacheError

CHARACTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

_SUFFIXES = frozenset({".ttf", ".otf"})
_LEAST_DIFFERENT = 30
_NO_CHARACTER = "\uffff"
_FORMAT = 1
"""To be raised when equal fonts come to be drawn otherwise."""


def list_fonts(folder: Path) -> list[Path]:
    """Return the fonts below a folder (by their suffixes), sorted."""
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in _SUFFIXES)


def family_of(path: Path) -> str:
    """Return the first word of a font's family name, in small letters: alike for its variants.

    ``Ataxia`` and ``Ataxia Outline`` are one family, and so are all of ``Noto``. A file that is
    no font has its own name for a family.
    """
    try:
        words = (ImageFont.truetype(path, 8).getname()[0] or "").split()
    except OSError:
        words = []
    return words[0].lower() if words else path.stem


def draw_fonts(paths: Sequence[Path], size: int) -> Bytes:
    """Return the pictures of fonts, from the cache where they are known.

    Args:
        paths: Fonts.
        size: Pixels to a side.

    Returns:
        White on black, (F, K, S, S). A font that is left out has no ink at all.
    """

    def build() -> Iterator[Tensor]:
        for path in paths:
            yield torch.from_numpy(draw_font(path, size).reshape(1, -1))

    folder, key = cache_folder() / "glyphs", _key_of(paths, size)
    try:
        pictures_F = cached_features(folder, key, len(paths), torch.uint8, build)
    except FeatureCacheError:  # a cache that cannot be written costs seconds, no study
        pictures_F = torch.cat(list(build()))
    pictures_FKSS: Bytes = pictures_F.numpy().reshape(len(paths), len(CHARACTERS), size, size)
    return pictures_FKSS


def draw_font(path: Path, size: int) -> Bytes:
    """Return one font's pictures, (K, S, S): without ink if it is left out."""
    pictures_KSS = np.zeros((len(CHARACTERS), size, size), np.uint8)
    try:
        # Twice as large as needed, to be scaled down; without Raqm, which not all systems have.
        font = ImageFont.truetype(path, 2 * size, layout_engine=ImageFont.Layout.BASIC)
        inks = [_draw(font, character) for character in CHARACTERS]
        lacking = _draw(font, _NO_CHARACTER)
    except OSError:
        return pictures_KSS
    looks = {(ink.size, ink.tobytes()) for ink in inks if ink is not None}
    is_whole = all(ink is not None for ink in inks) and (
        lacking is None or (lacking.size, lacking.tobytes()) not in looks
    )
    if is_whole and len(looks) >= _LEAST_DIFFERENT:
        for picture_SS, ink in zip(pictures_KSS, inks, strict=True):
            assert ink is not None
            picture_SS[:] = np.asarray(_fit(ink, size))
    return pictures_KSS


def _draw(font: ImageFont.FreeTypeFont, character: str) -> Image.Image | None:
    """Return a character cut to its bounding box, or None if it has no ink."""
    mask = font.getmask(character, "L")
    if not all(mask.size):
        return None
    drawn = Image.frombytes("L", mask.size, bytes(mask))
    box = drawn.getbbox()
    return None if box is None else drawn.crop(box)


def _fit(ink: Image.Image, size: int) -> Image.Image:
    """Scale to the image but for its margin, keep the shape, centre."""
    room = size - 2 * round(size / 14)
    scale = room / max(ink.size)
    width, height = (max(1, round(side * scale)) for side in ink.size)
    picture = Image.new("L", (size, size))
    scaled = ink.resize((width, height), Image.Resampling.BILINEAR)
    picture.paste(scaled, ((size - width) // 2, (size - height) // 2))
    return picture


def _key_of(paths: Sequence[Path], size: int) -> str:
    """Return all that the pictures depend on, as text."""
    hasher = hashlib.sha256()
    for path in paths:
        hasher.update(hashlib.sha256(path.read_bytes()).digest())
    return json.dumps(
        {
            "format": _FORMAT,
            "characters": CHARACTERS,
            "size": size,
            "fonts": hasher.hexdigest(),
            "freetype": features.version("freetype2"),
            "pillow": features.version("pil"),
        }
    )
