"""A number of a report: its id, what it is, its value, and the trials that it comes from."""

import hashlib
import json
from dataclasses import dataclass
from enum import StrEnum

from search_spaces.study import Study

Value = int | float | str | None | tuple[float | None, ...]

DIGITS = 6
_ID_CHARACTERS = 8


class Family(StrEnum):
    """What a number is about: the letter with which its id begins."""

    BOUNDARY = "b"
    FACTOR = "f"
    RESIDUAL = "r"
    BEST = "m"
    IMPORTANCE = "i"
    ALIGNMENT = "a"
    COST = "c"
    TRIAL = "t"


@dataclass(frozen=True, slots=True)
class Number:
    """One number.

    Attributes:
        id: See :func:`identify`.
        what: A phrase that says what it is, settings and unit included.
        value: Rounded to six digits where it comes out of numerical integration; a pair for an
            interval; None where there is none, as the critical learning rate beyond the range.
        trials: Keys of the trials behind it.
        is_timed: Another run of the same study gives another value: a clock made it.
    """

    id: str
    what: str
    value: Value
    trials: tuple[str, ...]
    is_timed: bool = False


def identify(study: Study, family: Family, *parts: str | float) -> str:
    """Return a number's id, such as ``b-3f2a91c0``.

    It depends on the study's digest and on what the number is, not on its value: the same number
    keeps its id while its study goes on, and in every ledger of that study.
    """
    text = json.dumps([study.digest, family.value, *parts])
    return f"{family.value}-{hashlib.sha256(text.encode()).hexdigest()[:_ID_CHARACTERS]}"


def round_off(value: float | None) -> float | None:
    """Return a number without what numerical integration leaves in its last digits.

    Another processor may differ in the last bit, and probabilities far in a tail are noise.
    """
    return None if value is None else round(float(f"{value:.{DIGITS}g}"), 12)
