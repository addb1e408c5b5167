"""The instruments of General MIDI, with their names in six languages.

128 melodic programs and the 47 keys of the percussion channel (35 to 81), from
``general_midi.csv`` beside this file: kind, number, the range of keys that the instrument is
played at, and a name for each language, with its indefinite article where the language has one.
The ranges are narrower than what a synthesiser plays: keys at which TimGM6mb or MuseScore's
soundfont is silent are outside.

References:
    MIDI Manufacturers Association, "General MIDI System Level 1" (RP-003), 1991.
"""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Literal, assert_never

LANGUAGES = ("en", "de", "fr", "es", "ru", "zh")
"""Those that every instrument has a name in."""


@dataclass(frozen=True, slots=True)
class Instrument:
    """One melodic program or percussion key.

    Attributes:
        is_percussion: Whether ``number`` is a key of the percussion channel.
        number: Program 0 to 127, or percussion key 35 to 81.
        low: Lowest MIDI key; 69 is A4, 440 Hz.
        high: Highest MIDI key, equal to ``low`` for percussion.
        names: By language.
    """

    is_percussion: bool
    number: int
    low: int
    high: int
    names: Mapping[str, str]

    @property
    def code(self) -> str:
        """What identifies it, e.g. program-40."""
        return f"{'percussion' if self.is_percussion else 'program'}-{self.number}"


@cache
def all_instruments() -> tuple[Instrument, ...]:
    """Return the 128 programs, then the 47 percussion keys."""
    table = resources.files("trainer.data.audio").joinpath("general_midi.csv")
    rows = csv.DictReader(table.read_text("utf-8").splitlines())
    return tuple(
        Instrument(
            is_percussion=row["kind"] == "percussion",
            number=int(row["number"]),
            low=int(row["low"]),
            high=int(row["high"]),
            names={language: row[language] for language in LANGUAGES},
        )
        for row in rows
    )


def pick_instruments(kind: Literal["all", "melodic", "percussion"]) -> tuple[Instrument, ...]:
    """Return the instruments of a kind, in order."""
    match kind:
        case "all":
            return all_instruments()
        case "melodic":
            return tuple(i for i in all_instruments() if not i.is_percussion)
        case "percussion":
            return tuple(i for i in all_instruments() if i.is_percussion)
        case _:
            assert_never(kind)
