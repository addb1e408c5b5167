"""What an earlier study found of its boundary, summed up at places of a later one.

Plain data: it is written into the later study's ledger once and used from there ever after.

Shape legend: P = places.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from search_spaces.canonical import digest_of
from search_spaces.point import Point


@dataclass(frozen=True)
class PriorBoundary:
    """A Gaussian over log10 of the critical learning rate at P places.

    Attributes:
        study: Name of the earlier study.
        study_digest: Its digest.
        findings_digest: Digest of the outcomes that its posterior rests on.
        places: Slices of the later study's space.
        medians: log10 critical learning rates, P of them.
        covariances: P rows of P, square decades.
    """

    study: str
    study_digest: str
    findings_digest: str
    places: tuple[Point, ...]
    medians: tuple[float, ...]
    covariances: tuple[tuple[float, ...], ...]

    @cached_property
    def digest(self) -> str:
        """What identifies it: 12 hexadecimal characters over all of its content."""
        return digest_of(self.to_content())

    @property
    def deviations(self) -> tuple[float, ...]:
        """Standard deviations, decades."""
        return tuple(float(row[i] ** 0.5) for i, row in enumerate(self.covariances))

    def to_content(self) -> dict[str, Any]:
        """Return it as what JSON knows; floats survive exactly."""
        return {
            "study": self.study,
            "study_digest": self.study_digest,
            "findings_digest": self.findings_digest,
            "places": [dict(place.coordinates) for place in self.places],
            "medians": list(self.medians),
            "covariances": [list(row) for row in self.covariances],
        }

    @classmethod
    def from_content(cls, content: Mapping[str, Any]) -> "PriorBoundary":
        """Undo :meth:`to_content`."""
        return cls(
            study=content["study"],
            study_digest=content["study_digest"],
            findings_digest=content["findings_digest"],
            places=tuple(Point.of(place) for place in content["places"]),
            medians=tuple(content["medians"]),
            covariances=tuple(tuple(row) for row in content["covariances"]),
        )
