"""A point: the coordinates of one setting on a study's axes."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

Value = float | int | str | bool


@dataclass(frozen=True)
class Point:
    """Coordinates by axis path, e.g. ``(("lr", 0.3), ("objective.kind", "clop"))``, sorted."""

    coordinates: tuple[tuple[str, Value], ...]

    @classmethod
    def of(cls, coordinates: Mapping[str, Value]) -> "Point":
        """Make a point from a mapping; the order of its keys is irrelevant."""
        return cls(tuple(sorted(coordinates.items())))

    @cached_property
    def key(self) -> str:
        """Canonical JSON; floats by shortest round-trip, so equal points have equal keys."""
        return json.dumps(dict(self.coordinates), sort_keys=True, separators=(",", ":"))

    def __getitem__(self, path: str) -> Value:
        """Return the coordinate on the axis ``path``.

        Raises:
            KeyError: If the point has no such axis.
        """
        return dict(self.coordinates)[path]

    def without(self, *paths: str) -> "Point":
        """Return the point's slice: the same coordinates but for ``paths``."""
        return Point(tuple((p, v) for p, v in self.coordinates if p not in paths))

    def replace(self, path: str, value: Value) -> "Point":
        """Return the point with one coordinate set (added if absent)."""
        return Point.of({**dict(self.coordinates), path: value})
