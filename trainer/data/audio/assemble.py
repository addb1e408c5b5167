"""From the entries of a source's files to an audio source: checks, missing files, splits, limit."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from trainer.audio_settings import AudioSettings
from trainer.data.audio.recordings import FileRecordings, Recording
from trainer.data.audio.source import SPLITS, AudioSource, Clip, Split
from trainer.data.subsets import imbalanced_sizes
from trainer.errors import (
    BadClipError,
    BadSourceError,
    DataSettingsError,
    MissingSourceError,
)
from trainer.seeds import generator_for


@dataclass(frozen=True, slots=True)
class Entry:
    """What a source's files say of one clip."""

    clip: Clip
    recording: Recording


def folder_of(settings: AudioSettings, how_to_get: str, default: Path | None = None) -> Path:
    """Return the folder of a source, which must exist.

    Raises:
        MissingSourceError: If there is none; the message says how to get the source.
        DataSettingsError: If the path is relative.
    """
    if settings.folder is None and default is None:
        raise MissingSourceError(
            "folder", f"{settings.source} needs a folder, none is given; {how_to_get}"
        )
    folder = Path(settings.folder or default or "")
    # Relative to what? Lanes run elsewhere than the command that validated the study.
    if not folder.is_absolute():
        raise DataSettingsError(
            "folder", f"expected the absolute path of a folder, got {settings.folder!r}"
        )
    if not folder.is_dir():
        raise MissingSourceError("folder", f"there is no folder {folder}; {how_to_get}")
    return folder


def refuse_given(settings: AudioSettings, *names: str) -> None:
    """Refuse settings that a source does not take.

    Raises:
        DataSettingsError: If one of them is given.
    """
    for name in names:
        if getattr(settings, name) is not None:
            raise DataSettingsError(name, f"{settings.source} does not take it; leave it out")


def check_languages_of(settings: AudioSettings, has: Sequence[str], place: str) -> None:
    """Check that a source has captions in every language asked for.

    Raises:
        DataSettingsError: If not.
    """
    lacking = [language for language in settings.languages if language not in has]
    if lacking:
        raise DataSettingsError(
            "languages",
            f"{place} has captions in {', '.join(has)}, got {lacking[0]!r}; for translated "
            "captions write a manifest.csv with columns caption_<language>",
        )


def draw_splits(count: int, settings: AudioSettings) -> list[Split]:
    """Return a split for each of ``count`` clips, drawn by the split's seed.

    Raises:
        DataSettingsError: If no shares are given, or a split comes out empty.
    """
    if settings.val_share is None or settings.test_share is None:
        name = "val_share" if settings.val_share is None else "test_share"
        raise DataSettingsError(
            name,
            f"{settings.source} has no splits of its own here; give the shares of clips to "
            "select and to test with, e.g. val_share: 0.1 and test_share: 0.2",
        )
    val, test = round(settings.val_share * count), round(settings.test_share * count)
    if min(val, test, count - val - test) < 1:
        raise DataSettingsError(
            "val_share",
            f"{count} clips come to {count - val - test} train, {val} val and "
            f"{test} test clips; expected at least one of each",
        )
    order = torch.randperm(count, generator=generator_for(settings.split_seed, "audio-split"))
    drawn: list[Split] = ["train"] * count
    for rank, position in enumerate(order.tolist()):
        if rank < val + test:
            drawn[position] = "val" if rank < val else "test"
    return drawn


def assemble(
    entries: Sequence[Entry],
    settings: AudioSettings,
    class_names: Mapping[str, tuple[str, ...]],
    place: Path,
) -> AudioSource:
    """Return the source of entries.

    Raises:
        BadClipError: If two entries have one id, or a file is missing (and is not to be
            skipped).
        BadSourceError: If no clip is left.
        DataSettingsError: If classes are to be imbalanced, and a train clip has not one.
    """
    _check_ids(entries)
    present = [entry for entry in entries if _is_there(entry, settings)]
    if not present:
        raise BadSourceError(
            "folder", f"{place}: none of the {len(entries)} clips has a file; is this the folder?"
        )
    kept = _thin(_limit(present, settings), settings)
    rate_hz = settings.file_rate_hz
    recordings = tuple(
        replace(entry.recording, rate_hz=entry.recording.rate_hz or rate_hz) for entry in kept
    )
    return AudioSource(
        place=str(place),
        clips=tuple(entry.clip for entry in kept),
        languages=settings.languages,
        class_names=class_names,
        sample_rate_hz=settings.sample_rate_hz,
        recordings=FileRecordings(recordings, settings.sample_rate_hz),
    )


def _check_ids(entries: Sequence[Entry]) -> None:
    place_by_id: dict[str, str] = {}
    for entry in entries:
        place = entry.recording.place
        first = place_by_id.setdefault(entry.clip.id, place)
        if first != place:
            raise BadClipError(
                "folder",
                f"{place}: expected every clip once, got {entry.clip.id!r} again, which stands "
                f"in {first} already; remove one of them",
            )


def _is_there(entry: Entry, settings: AudioSettings) -> bool:
    if entry.recording.path.is_file():
        return True
    if settings.missing == "skip":
        return False
    raise BadClipError(
        "folder",
        f"{entry.recording.place}: expected the file {entry.recording.path}, there is none; get "
        "it, or set missing: skip to leave such clips out",
    )


def _limit(entries: Sequence[Entry], settings: AudioSettings) -> list[Entry]:
    if settings.limit is None:
        return list(entries)
    kept: set[int] = set()
    for split in SPLITS:
        positions = [i for i, entry in enumerate(entries) if entry.clip.split == split]
        generator = generator_for(settings.split_seed, "audio-limit", split)
        order = torch.randperm(len(positions), generator=generator).tolist()
        kept.update(positions[i] for i in order[: settings.limit])
    return [entries[i] for i in sorted(kept)]


def _thin(entries: Sequence[Entry], settings: AudioSettings) -> list[Entry]:
    """Leave out train clips until their classes are as imbalanced as asked; see subsets.

    Of equal draws, fewer are part of more.
    """
    if settings.imbalance == 1:
        return list(entries)
    positions = [i for i, entry in enumerate(entries) if entry.clip.split == "train"]
    labels = [entries[i].clip.labels for i in positions]
    without = sum(len(own) != 1 for own in labels)
    if without:
        raise DataSettingsError(
            "imbalance",
            f"expected one class for every train clip, but {without} of {len(labels)} have none or "
            f"several in {settings.source}; leave it out",
        )
    sizes_C = np.bincount([own[0] for own in labels])
    left = dict(enumerate(imbalanced_sizes(sizes_C, settings.imbalance).tolist()))
    generator = generator_for(settings.split_seed, "audio-imbalance")
    dropped: set[int] = set()
    for rank in torch.randperm(len(positions), generator=generator).tolist():
        label = labels[rank][0]
        left[label] -= 1
        if left[label] < 0:
            dropped.add(positions[rank])
    return [entry for i, entry in enumerate(entries) if i not in dropped]
