"""What an audio source tells before a sound is decoded: ids, splits, labels, captions.

Shape legend: T = samples of a waveform.
"""

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

from torch import Tensor

Split = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = ("train", "val", "test")


@dataclass(frozen=True, slots=True)
class Clip:
    """All that is known of a clip but its sound.

    Attributes:
        id: Unique in its source, and the same on every machine.
        split: The part of the study it belongs to.
        captions: By language, in the order of the settings; at least one in each, none empty.
            A clip whose captions stand for each other across languages has equally many, in the
            same order (General MIDI); people's captions differ in number (tuxpaint).
        labels: Positions in the source's ``class_names``: one for a clip of one class, several in
            the order they sound, none where the source has no classes.
    """

    id: str
    split: Split
    captions: Mapping[str, tuple[str, ...]]
    labels: tuple[int, ...] = ()


class Recordings(Protocol):
    """The sounds of a source's clips, by position."""

    def read(self, position: int) -> Tensor:
        """Return a clip's waveform_T, float32, mono, at the settings' ``sample_rate_hz``.

        It has the recording's own length, which is never zero; amplitudes are those of the file,
        mostly in [-1, 1], and not clipped.

        Raises:
            BadClipError: If the recording cannot be decoded or is not what was declared.
        """
        ...

    def fingerprint(self, position: int) -> str:
        """Return what the sound of a clip depends on, without decoding it."""
        ...


@dataclass(frozen=True, slots=True)
class AudioSource:
    """One source on disk, or one that is rendered.

    Attributes:
        place: File or folder that messages name.
        clips: Train, val and test clips; a position in this tuple is how others name a clip.
        languages: Those of the captions, as the settings ask for them.
        class_names: By language: what each class is called in it, ready for a prompt. Some
            languages or all may be missing: not every source has classes or translates them.
        sample_rate_hz: Of every waveform.
        recordings: Reads them.
    """

    place: str
    clips: tuple[Clip, ...]
    languages: tuple[str, ...]
    class_names: Mapping[str, tuple[str, ...]]
    sample_rate_hz: int
    recordings: Recordings

    def read(self, position: int) -> Tensor:
        """Return the waveform_T of a clip, as ``Recordings.read``."""
        return self.recordings.read(position)

    def positions(self, split: Split) -> tuple[int, ...]:
        """Return the positions of the clips of a split, in order."""
        return tuple(i for i, clip in enumerate(self.clips) if clip.split == split)

    def sizes(self) -> dict[Split, int]:
        """Return the number of clips of every split."""
        counts = Counter(clip.split for clip in self.clips)
        return {split: counts[split] for split in SPLITS}

    def digest(self) -> str:
        """Return a digest of ids and sounds (not of captions), in order, without decoding.

        Files count by name, size and time of change; a soundfont by its content.
        """
        hasher = hashlib.sha256()
        for position, clip in enumerate(self.clips):
            hasher.update(f"{clip.id}\n{self.recordings.fingerprint(position)}\n".encode())
        return hasher.hexdigest()
