"""How alike every objective ended up to the reference of its couple, over seeds."""

from dataclasses import dataclass
from statistics import fmean

from orchestrator.collapse_map import CollapseMap
from search_spaces.point import Point
from search_spaces.study import KIND

MEASURES = (
    "cka_features",
    "cka_projections",
    "rsa_features",
    "weight_gap",
    "cka_features_unshared",
    "cka_projections_unshared",
)
"""Those that are told, where trials have them; ``unshared`` is the control."""


@dataclass(frozen=True, slots=True)
class Alignment:
    """A measure of one setting at the end of training: mean, lowest and highest seed."""

    point: Point
    measure: str
    mean: float
    low: float
    high: float
    trials: tuple[str, ...]

    @property
    def kind(self) -> str:
        """The objective that is compared with the reference."""
        return str(self.point[KIND])


def summarise_alignment(collapse_map: CollapseMap) -> tuple[Alignment, ...]:
    """Return every measure of every setting but the references'; empty without ``align``."""
    align = collapse_map.study.align
    if align is None:
        return ()
    found: dict[tuple[Point, str], dict[str, float]] = {}
    for record, outcome in collapse_map.outcomes:
        if record.proposal.point[KIND] == align.reference:
            continue
        for measure in MEASURES:
            if measure in outcome.measures:
                values = found.setdefault((record.proposal.point, measure), {})
                values[record.key] = outcome.measures[measure]
    return tuple(
        Alignment(point, measure, fmean(ordered), ordered[0], ordered[-1], tuple(sorted(values)))
        for point, measure in sorted(found, key=lambda key: _place(collapse_map, *key))
        for values in [found[point, measure]]
        for ordered in [sorted(values.values())]
    )


def _place(collapse_map: CollapseMap, point: Point, measure: str) -> tuple[str, int, int]:
    """Return what sorts by setting, then objective as the study lists them, then measure."""
    kinds = collapse_map.study.kinds
    return point.without(KIND).key, kinds.index(str(point[KIND])), MEASURES.index(measure)


def measures_of(alignments: tuple[Alignment, ...]) -> tuple[str, ...]:
    """Return the measures that are there, in the order of :data:`MEASURES`."""
    present = {alignment.measure for alignment in alignments}
    return tuple(measure for measure in MEASURES if measure in present)
