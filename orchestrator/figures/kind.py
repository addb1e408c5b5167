"""Which figures there are, and in which formats; imports nothing, for the command line."""

from enum import StrEnum


class FigureKind(StrEnum):
    """What a figure shows."""

    COLLAPSE_MAP = "collapse-map"
    BOUNDARY = "boundary"
    SPECTRUM = "spectrum"
    DRIFT = "drift"
    RADIUS = "radius"
    ALIGNMENT = "alignment"
    RETRIEVAL = "retrieval"
    SCOREBOARD = "scoreboard"


class FigureFormat(StrEnum):
    """The file's format: pdf and svg are vectors."""

    PDF = "pdf"
    SVG = "svg"
    PNG = "png"
