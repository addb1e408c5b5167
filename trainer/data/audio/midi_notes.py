"""Which notes a rendered clip plays: drawn by seed, with notes and combinations held out.

A clip is drawn from the split's seed, its split and its number, so that asking for more clips
keeps those there were.
"""

import random
from bisect import bisect
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import torch

from trainer.audio_settings import GeneralMidiSettings
from trainer.data.audio.midi_instruments import Instrument
from trainer.data.audio.source import Split
from trainer.errors import DataSettingsError
from trainer.seeds import derive_seed, generator_for

VELOCITIES = (36, 49, 62, 75, 88, 101, 114, 127)
_TRIES = 2000
_TENTHS: dict[int, Split] = {0: "val", 1: "test"}
"""Of ten combinations one selects, one tests and eight train; so do notes."""


@dataclass(frozen=True, slots=True)
class Note:
    """An instrument (its position among those of the source) at a MIDI key and a velocity."""

    instrument: int
    key: int
    velocity: int


Notes = tuple[Note, ...]


class NoteDrawer:
    """Draws the clips of one source."""

    def __init__(
        self, settings: GeneralMidiSettings, instruments: Sequence[Instrument], seed: int
    ) -> None:
        self._settings = settings
        self._instruments = instruments
        self._seed = seed
        self._notes = [self._split_notes(position) for position in range(len(instruments))]
        self._weights = self._accumulate_weights()

    def draw(self, split: Split, count: int) -> list[Notes]:
        """Return ``count`` clips of a split, all different.

        All numbers of events are equally likely; where the clips of one number run out, the
        others fill up.

        Raises:
            DataSettingsError: If there are not so many.
        """
        drawn: dict[Notes, None] = {}
        events = list(range(self._settings.fewest_events, self._settings.most_events + 1))
        for number in range(count):
            rng = random.Random(derive_seed(self._seed, "midi-clip", split, number))
            notes = self._draw_new(split, events, rng, drawn)
            if notes is None:
                raise DataSettingsError(
                    f"general_midi.{split}_clips",
                    f"expected at most about {number}, which is how many different clips these "
                    f"instruments and events give, got {count}",
                )
            drawn[notes] = None
        return list(drawn)

    def _draw_new(
        self, split: Split, events: list[int], rng: random.Random, drawn: dict[Notes, None]
    ) -> Notes | None:
        """Return a clip that is not among ``drawn``, or None if none is found.

        Numbers of events whose clips have run out are removed from ``events``.
        """
        while events:
            chosen = events[_below(len(events), rng)]
            for _ in range(_TRIES):
                notes = self._try(split, chosen, rng)
                if notes is not None and notes not in drawn:
                    return notes
            events.remove(chosen)
        return None

    def _try(self, split: Split, events: int, rng: random.Random) -> Notes | None:
        chosen = self._draw_instruments(split, events, rng)
        if len(set(chosen)) < events or not self._may_combine(chosen, split):
            return None
        return tuple(self._draw_note(position, split, events, rng) for position in chosen)

    def _draw_instruments(self, split: Split, events: int, rng: random.Random) -> tuple[int, ...]:
        if split != "train":
            return tuple(_below(len(self._instruments), rng) for _ in range(events))
        total = self._weights[-1]
        return tuple(bisect(self._weights, rng.random() * total) for _ in range(events))

    def _may_combine(self, chosen: Sequence[int], split: Split) -> bool:
        if len(chosen) < 2 or self._settings.held_out == "notes":
            return True
        codes = sorted(self._instruments[position].code for position in chosen)
        return _TENTHS.get(derive_seed(self._seed, "midi-set", *codes) % 10, "train") == split

    def _draw_note(self, position: int, split: Split, events: int, rng: random.Random) -> Note:
        by_split = self._notes[position]
        if events > 1 and self._settings.held_out == "combinations":
            notes = [note for part in by_split.values() for note in part]
        else:
            notes = by_split[split]
        key, velocity = notes[_below(len(notes), rng)]
        return Note(position, key, velocity)

    def _split_notes(self, position: int) -> dict[Split, list[tuple[int, int]]]:
        """Return keys and velocities of an instrument by split: a tenth each to val and test."""
        instrument = self._instruments[position]
        keys = range(instrument.low, instrument.high + 1)
        notes = [(key, velocity) for key in keys for velocity in VELOCITIES]
        generator = generator_for(self._seed, "midi-notes", instrument.code)
        order = torch.randperm(len(notes), generator=generator).tolist()
        shuffled = [notes[i] for i in order]
        tenth = max(len(notes) // 10, 1)
        return {
            "val": shuffled[:tenth],
            "test": shuffled[tenth : 2 * tenth],
            "train": shuffled[2 * tenth :],
        }

    def _accumulate_weights(self) -> list[float]:
        """Return running sums of how often the train split has each instrument."""
        count = len(self._instruments)
        generator = generator_for(self._seed, "midi-imbalance")
        ranks = torch.randperm(count, generator=generator).tolist()
        return list(accumulate(self._settings.imbalance ** (-rank / (count - 1)) for rank in ranks))


def _below(count: int, rng: random.Random) -> int:
    """Return a whole number below ``count``; only ``random()`` is equal in all Pythons."""
    return int(rng.random() * count)
