"""What ``rankfall data list`` says of one source."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import yaml


@dataclass(frozen=True, slots=True)
class SourceRow:
    """What is known of a source here.

    Attributes:
        form: ``images``, or ``sounds`` with captions.
        val: Clips to choose by; None for images, which have none.
        classes: None where there are none.
        pixels: Of images.
        study: What a study says under ``data`` to use it; None if it is not here.
        get: How to get it; None if it is here.
        problem: Why what lies there cannot be used.
    """

    source: str
    form: str = "images"
    is_here: bool = False
    train: int | None = None
    val: int | None = None
    test: int | None = None
    classes: int | None = None
    pixels: str | None = None
    study: str | None = None
    get: str | None = None
    problem: str | None = None


def study_line(given: Mapping[str, object]) -> str:
    """Return settings as they stand in a study file, on one line."""
    text = yaml.safe_dump(dict(given), default_flow_style=True, sort_keys=False, width=math.inf)
    return str(text).strip()
