"""AudioCaps: 10 s sounds of AudioSet, one caption each to train with, five to test with.

Layout of the folder: ``{train,val,test}.csv`` (columns audiocap_id, youtube_id, start_time,
caption; rows of one video and start are captions of one clip) and the sounds in ``train``,
``val`` and ``test``, or all in one folder ``audio`` or ``wav``. A sound is named, with any
suffix that soundfile reads, by its video (``ID``, ``YID`` as AudioSet's archives do), by video
and start (``ID_START``), or by the audiocap_id of one of its captions; the first that is there.

References:
    Kim, Kim, Lee & Kim, "AudioCaps: generating captions for audios in the wild", NAACL 2019.
"""

from collections.abc import Iterator, Mapping
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
from trainer.data.audio.source import SPLITS, AudioSource, Clip, Split
from trainer.errors import MissingSourceError

_COLUMNS = ("audiocap_id", "youtube_id", "start_time", "caption")
_SUFFIXES = frozenset({".wav", ".flac", ".ogg", ".mp3"})
_HOW_TO_GET = (
    "get train.csv, val.csv and test.csv of https://github.com/cdjkim/audiocaps (dataset/) and "
    "the sounds of the videos they name"
)


def open_audiocaps(settings: AudioSettings) -> AudioSource:
    """Read the three CSV files and list the sounds.

    Raises:
        MissingSourceError: If a file or folder is not there.
        BadSourceError: If one of them is damaged; rows and sounds are named (BadClipError).
        DataSettingsError: If settings are given that do not apply.
    """
    refuse_given(settings, "fold", "val_share", "test_share", "general_midi")
    folder = folder_of(settings, _HOW_TO_GET)
    check_languages_of(settings, ("en",), "AudioCaps")
    entries: list[Entry] = []
    for split in SPLITS:
        rows = read_rows(folder / f"{split}.csv", _COLUMNS, _HOW_TO_GET)
        sounds = _sounds_of(folder, split)
        path_by_stem = {p.stem: p for p in sorted(sounds.iterdir()) if p.suffix in _SUFFIXES}
        entries.extend(_entry(captions, split, sounds, path_by_stem) for captions in _by_clip(rows))
    return assemble(entries, settings, {}, folder)


def _sounds_of(folder: Path, split: Split) -> Path:
    for name in (split, "audio", "wav"):
        if (folder / name).is_dir():
            return folder / name
    raise MissingSourceError(
        "folder",
        f"there is neither a folder {folder / split} nor {folder / 'audio'}; {_HOW_TO_GET}",
    )


def _by_clip(rows: list[Row]) -> Iterator[list[Row]]:
    """Yield the rows of each clip, in the order of their first ones."""
    rows_by_clip: dict[tuple[str, str], list[Row]] = {}
    row_by_caption: dict[str, Row] = {}
    for row in rows:
        caption_id = row.text("audiocap_id")
        first = row_by_caption.setdefault(caption_id, row)
        if first is not row:
            raise row.bad(
                f"expected every audiocap_id once, got {caption_id} again, which stands in line "
                f"{first.line} already; remove one of them"
            )
        clip = (row.text("youtube_id"), row.text("start_time"))
        rows_by_clip.setdefault(clip, []).append(row)
    yield from rows_by_clip.values()


def _entry(rows: list[Row], split: Split, sounds: Path, path_by_stem: Mapping[str, Path]) -> Entry:
    video, start = rows[0].text("youtube_id"), rows[0].text("start_time")
    stems = (video, f"Y{video}", f"{video}_{start}", *(row.text("audiocap_id") for row in rows))
    found = next((path_by_stem[stem] for stem in stems if stem in path_by_stem), None)
    captions = tuple(row.text("caption") for row in rows)
    # The split is no part of the id: a clip that stands in two splits is refused.
    clip = Clip(f"{video}_{start}", split, {"en": captions})
    return Entry(clip, Recording(found or sounds / f"{video}.wav", rows[0].place))
