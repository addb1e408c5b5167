"""From one study's findings to another study's prior: ``prior: other-study``.

The earlier study's surface is read at places of the later one's space. Axes are matched by
path. An axis that only the earlier study has takes the later one's fixed value; along an axis
that only the later one has, the prior is constant. Beyond the earlier study's ranges stands the
Gaussian process's own extrapolation, whose variance grows. Words that the earlier study does
not list, and objective kinds that it did not train, get no prior at all.

What the later study makes of it, and when it drops it, is told in ``surface/anchor``.
"""

from collections.abc import Iterable

import numpy as np

from orchestrator.errors import PriorError
from orchestrator.planners.boundary_search import BoundarySearch, spread_places
from orchestrator.planners.protocol import Finding, Proposal
from orchestrator.planners.study_space import open_search, space_of
from orchestrator.planners.surface.kernel import Places
from orchestrator.planners.surface.space import BoundarySpace, NumberAxis, WordAxis
from orchestrator.planners.threshold import Verdict
from search_spaces.canonical import digest_of, flatten
from search_spaces.point import Point, Value
from search_spaces.prior_boundary import PriorBoundary
from search_spaces.study import KIND, LR, Question, Study

PLACES_LOG2 = 5
LEAST_VARIANCE = 1e-6  # square decades


def sum_up_boundary(
    earlier: Study, findings: Iterable[tuple[Proposal, Finding]], later: Study
) -> PriorBoundary:
    """Return what an earlier study found, at at most 32 places of a later one's space.

    Its posterior is taken at its own collapse level, or at the later one's if that is higher
    and the metric is the same, with the doubt about its parameters. Whatever planner it had,
    its trials are read as one surface. Equal arguments give equal bits.

    Raises:
        PriorError: If the earlier study maps no boundary, found none in its range, or shares no
            objective kind or other word with the later one.
    """
    told = list(findings)
    search = _open_earlier(earlier, told, later)
    pairs = [(place, _find_counterpart(place, earlier, later)) for place in _spread(later)]
    shared = [(place, other) for place, other in pairs if other is not None]
    if not shared:
        raise PriorError(
            f"prior: {earlier.name} has no objective kind or other category in common with "
            f"{later.name}; leave prior out"
        )
    places = Places(*space_of(earlier).encode([other for _, other in shared]))
    fit = search.fit()
    means, _ = fit.belief.at(places)
    covariance = fit.doubt * fit.belief.covariance(places) + LEAST_VARIANCE * np.eye(len(places))
    return PriorBoundary(
        study=earlier.name,
        study_digest=earlier.digest,
        findings_digest=_digest(told),
        places=tuple(place for place, _ in shared),
        medians=tuple(float(mean) for mean in means),
        covariances=tuple(tuple(float(v) for v in row) for row in covariance),
    )


def _open_earlier(
    earlier: Study, told: list[tuple[Proposal, Finding]], later: Study
) -> BoundarySearch:
    """Return the earlier study's search if it knows a boundary."""
    if earlier.question is not Question.BOUNDARY or earlier.lr_axis is None:
        raise PriorError(
            f"prior: {earlier.name} maps no boundary: expected a study with question: boundary "
            f"and a range for lr, got question: {earlier.question}"
        )
    level = earlier.collapse.below
    if later.collapse.metric == earlier.collapse.metric:
        level = max(level, later.collapse.below)
    search = open_search(earlier, told, level)
    if not any(t.verdict is Verdict.INSIDE for t in search.posterior(earlier.slices())):
        raise PriorError(
            f"prior: {earlier.name} has not found a critical learning rate in any slice "
            f"({len(told)} finished trials); let it go on, or leave prior out"
        )
    return search


def _spread(later: Study) -> list[Point]:
    return spread_places(space_of(later), PLACES_LOG2, later.seed)


def _find_counterpart(place: Point, earlier: Study, later: Study) -> Point | None:
    """Return the place in the earlier study's space; None where it says nothing."""
    assert later.lr_axis is not None, "checked when the study was read"
    settings = later.settings_at(place.replace(LR, later.lr_axis.low))
    given = flatten(settings.model_dump(mode="json", by_alias=True))
    kind = str(given[KIND])
    if kind not in earlier.kinds:
        return None
    space: BoundarySpace = space_of(earlier)
    found: dict[str, Value] = {}
    for axis in space.axes:
        if axis.when is not None and kind not in axis.when[1]:
            continue
        value = given.get(axis.name)
        if not isinstance(value, bool | int | float | str) or not _says(axis, value):
            return None
        found[axis.name] = value
    return Point.of(found)


def _says(axis: NumberAxis | WordAxis, value: Value) -> bool:
    if isinstance(axis, WordAxis):
        return value in axis.values
    return not isinstance(value, str | bool)


def _digest(told: Iterable[tuple[Proposal, Finding]]) -> str:
    return digest_of({p.key: [f.score, f.is_collapsed, f.is_diverged] for p, f in told})
