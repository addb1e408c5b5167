"""The sizes of a claim's study; a module that imports nothing, for the command line's help."""

from enum import StrEnum


class Size(StrEnum):
    """How large a claim's study is run; PAPER is planned, never run here."""

    QUICK = "quick"
    FULL = "full"
    PAPER = "paper"
