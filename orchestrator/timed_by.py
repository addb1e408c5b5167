"""How a plan's times are to be known. A leaf: the command line reads it without torch."""

from enum import StrEnum


class TimedBy(StrEnum):
    """AUTO asks earlier trials, and a probe where those do not tell."""

    AUTO = "auto"
    PROBE = "probe"
    EARLIER = "earlier"
