"""Tux Paint's stamps: about 110 real sounds with captions that people wrote, in many languages.

Debian has them as a package. A stamp's text file holds an English caption in its first line and
``LOCALE.utf8=CAPTION`` in the others; the sound lies beside it, with the same name. Recordings of
the captions being read (``NAME_desc.ogg``, ``NAME_LOCALE.ogg``) and the spoken letters and digits
below ``symbols`` are speech and left out. Regional locales (pt_BR) give further captions of their
language where they differ; locales without two letters (kab, sr@latin) are left out.

Only stamps with a caption in all languages asked for are clips. Their classes are the top
folders: animals, household, vehicles and so on.
"""

import re
from collections.abc import Iterator
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
from trainer.data.audio.source import AudioSource, Clip
from trainer.errors import BadClipError, BadSourceError
from trainer.languages import LANGUAGES

PACKAGE_FOLDER = Path("/usr/share/tuxpaint/stamps")
_SUFFIXES = (".ogg", ".wav")
_SPOKEN = ("symbols/alphabets/", "symbols/math/")
_TRANSLATION = re.compile(r"(?P<language>[a-z]{2})(?:_[A-Z]{2})?\.utf8=(?P<caption>.*)")
_HOW_TO_GET = "run: apt-get install tuxpaint-stamps-default"

Captions = dict[str, tuple[str, ...]]


def open_tuxpaint(settings: AudioSettings) -> AudioSource:
    """Read the text files that have a sound beside them.

    Raises:
        MissingSourceError: If the package or folder is not there.
        BadSourceError: If the folder holds no stamps; a text file that cannot be read is named
            (BadClipError).
        DataSettingsError: If a language is in no stamp, or settings are given that do not apply.
    """
    refuse_given(settings, "fold", "general_midi")
    folder = folder_of(settings, _HOW_TO_GET, PACKAGE_FOLDER)
    stamps = [(sound, _read_captions(sound.with_suffix(".txt"))) for sound in _sounds(folder)]
    if not stamps:
        raise BadSourceError("folder", f"{folder} holds no stamps with sounds; {_HOW_TO_GET}")
    check_languages_of(settings, sorted({lang for _, has in stamps for lang in has}), str(folder))
    complete = [
        (sound, {language: captions[language] for language in settings.languages})
        for sound, captions in stamps
        if all(language in captions for language in settings.languages)
    ]
    names = [sound.relative_to(folder).as_posix() for sound, _ in complete]
    classes = sorted({name.split("/")[0] for name in names})
    splits = draw_splits(len(complete), settings)
    entries = [
        Entry(
            Clip(name, split, captions, (classes.index(name.split("/")[0]),)),
            Recording(sound, f"{sound.stem}.txt"),
        )
        for name, split, (sound, captions) in zip(names, splits, complete, strict=True)
    ]
    return assemble(entries, settings, {"en": tuple(classes)}, folder)


def _sounds(folder: Path) -> Iterator[Path]:
    """Yield the sounds that have a text, sorted."""
    for text in sorted(folder.rglob("*.txt")):
        if text.relative_to(folder).as_posix().startswith(_SPOKEN):
            continue
        found = (text.with_suffix(suffix) for suffix in _SUFFIXES)
        sound = next((path for path in found if path.is_file()), None)
        if sound is not None:
            yield sound


def _read_captions(path: Path) -> Captions:
    try:
        lines = path.read_text("utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise BadClipError("folder", f"{path}: expected captions in UTF-8 ({error})") from error
    if not lines or not lines[0].strip():
        raise BadClipError("folder", f"{path}:1: expected an English caption, got an empty line")
    captions: dict[str, list[str]] = {"en": [lines[0].strip()]}
    for line in lines[1:]:
        match = _TRANSLATION.fullmatch(line.strip())
        if match is None or match["language"] not in LANGUAGES or not match["caption"].strip():
            continue
        known = captions.setdefault(match["language"], [])
        if match["caption"].strip() not in known:
            known.append(match["caption"].strip())
    return {language: tuple(texts) for language, texts in captions.items()}
