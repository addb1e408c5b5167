"""Notes to sound: a soundfont played by TinySoundFont.

Shape legend: L = samples of a clip.
"""

import hashlib
import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import torch
from torch import Tensor

from trainer.errors import BadSourceError, MissingSourceError

_FORMAT = 1
"""To be raised when equal notes come to sound otherwise."""

_HELD = 0.85
"""Share of its slot for which a note is held; the rest is for its release."""

_PERCUSSION_BANK = 128
_HOW_TO_GET = (
    "the sounds are rendered by tinysoundfont; run: pip install --no-deps tinysoundfont (a plain "
    "install builds pyaudio, which is not needed)"
)


@dataclass(frozen=True, slots=True)
class PlayedNote:
    """One event: a program or a percussion key, at a MIDI key and a velocity."""

    is_percussion: bool
    program: int
    key: int
    velocity: int


class Soundfont:
    """A soundfont that is open; one per process and sample rate (``open_soundfont``)."""

    def __init__(self, path: Path, sample_rate_hz: int) -> None:
        self._lock = Lock()
        self._synth = _import_tinysoundfont().Synth(samplerate=sample_rate_hz)
        self._rest_samples = sample_rate_hz // 10
        try:
            self._font = self._synth.sfload(str(path))
        except RuntimeError as error:
            raise BadSourceError(
                "general_midi", f"{path}: expected a soundfont, .sf2 or .sf3 ({error})"
            ) from error
        self._check_presets(path)

    def render(self, notes: Sequence[PlayedNote], samples: int) -> Tensor:
        """Return notes played one after the other, each in an equal share of the clip, (L,).

        A note is held for 85 % of its share; what it rings on afterwards lies under the next.
        The mean of the two channels, float32. Equal calls give equal bits, whatever was played
        before.
        """
        stereo: list[np.ndarray[Any, np.dtype[np.float32]]] = []
        ends = [samples * (i + 1) // len(notes) for i in range(len(notes))]
        starts = [0, *ends[:-1]]
        with self._lock:
            for channel, (note, start, end) in enumerate(zip(notes, starts, ends, strict=True)):
                held = int((end - start) * _HELD)
                self._start(channel, note)
                stereo.append(self._generate(held))
                self._synth.noteoff(channel, note.key)
                stereo.append(self._generate(end - start - held))
            self._synth.sounds_off()
            self._generate(self._rest_samples)  # voices fade out; the next clip begins in silence
        return torch.from_numpy(np.concatenate(stereo).reshape(-1, 2).mean(axis=1))

    def _start(self, channel: int, note: PlayedNote) -> None:
        bank = _PERCUSSION_BANK if note.is_percussion else 0
        program = 0 if note.is_percussion else note.program
        self._synth.program_select(channel, self._font, bank, program, note.is_percussion)
        self._synth.noteon(channel, note.key, note.velocity)

    def _generate(self, samples: int) -> np.ndarray[Any, np.dtype[np.float32]]:
        return np.frombuffer(self._synth.generate(samples), np.float32)

    def _check_presets(self, path: Path) -> None:
        presets = [(0, program) for program in range(128)] + [(_PERCUSSION_BANK, 0)]
        for bank, program in presets:
            if self._synth.sfpreset_name(self._font, bank, program) is None:
                raise BadSourceError(
                    "general_midi",
                    f"{path}: expected all of General MIDI's 128 programs and its percussion, "
                    f"got none at bank {bank}, program {program}; use another soundfont",
                )


def open_soundfont(path: Path, sample_rate_hz: int) -> Soundfont:
    """Return an open soundfont, the same one for equal calls of a process.

    The first call takes 0.04 s for TimGM6mb.sf2 and 5 s for MuseScore_General_Lite.sf3, which is
    compressed.

    Raises:
        BadSourceError: If the file is no soundfont, or lacks instruments of General MIDI.
        MissingSourceError: If tinysoundfont is not installed.
    """
    return _open(path, sample_rate_hz)


@lru_cache(maxsize=4)
def _open(path: Path, sample_rate_hz: int) -> Soundfont:
    return Soundfont(path, sample_rate_hz)


def fingerprint_soundfont(path: Path) -> str:
    """Return a digest of a soundfont's content and of how it is played."""
    status = path.stat()
    return _fingerprint(path, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=4)
def _fingerprint(path: Path, _size: int, _time_ns: int) -> str:
    with path.open("rb") as file:
        content = hashlib.file_digest(file, "sha256").hexdigest()
    return f"{content} {_FORMAT} {importlib.metadata.version('tinysoundfont')}"


def _import_tinysoundfont() -> Any:
    try:
        return importlib.import_module("tinysoundfont")
    except ImportError as error:
        raise MissingSourceError("source", _HOW_TO_GET) from error
