"""A study as the boundary search sees it: places, log10 learning rates, findings."""

import math
from collections.abc import Iterable

import numpy as np

from orchestrator.planners.boundary_search import BoundarySearch, Observation, Setting
from orchestrator.planners.protocol import Finding, Proposal
from orchestrator.planners.space import contains, round_within
from orchestrator.planners.surface.anchor import Anchor
from orchestrator.planners.surface.kernel import Places
from orchestrator.planners.surface.space import BoundarySpace, NumberAxis, WordAxis
from search_spaces.axis import Axis, RangeAxis
from search_spaces.point import Value
from search_spaces.study import KIND, LR, Study

MOST_REFERENCES = 256
"""Slices whose band is looked at while planning; of more, every so-manieth."""


def space_of(study: Study) -> BoundarySpace:
    """Return the space of a study: lists of numbers are numeric axes with only those values.

    Raises:
        ValueError: If the study has no learning-rate range.
    """
    axis = study.lr_axis
    if axis is None:
        raise ValueError(
            f"study {study.name}: the boundary search needs lr: {{low, high, log: true}}"
        )
    others = sorted((a for a in study.axes if a.path != LR), key=lambda a: a.path != KIND)
    return BoundarySpace(
        low=math.log10(axis.low),
        high=math.log10(axis.high),
        axes=tuple(_convert(other, study) for other in others),
        replicates=study.replicates,
    )


def _convert(axis: Axis, study: Study) -> NumberAxis | WordAxis:
    everywhere = axis.kinds is None or axis.kinds >= set(study.kinds)
    when = None if everywhere or axis.kinds is None else (KIND, frozenset[Value](axis.kinds))
    if isinstance(axis, RangeAxis):
        return NumberAxis(axis.path, axis.low, axis.high, axis.log, when=when)
    numbers = [v for v in axis.values if not isinstance(v, str | bool)]
    if len(numbers) < len(axis.values) or len(numbers) < 2:
        return WordAxis(axis.path, axis.values, when)
    values = tuple(numbers)
    return NumberAxis(axis.path, min(values), max(values), values=values, when=when)


def open_search(
    study: Study, findings: Iterable[tuple[Proposal, Finding]], level: float | None = None
) -> BoundarySearch:
    """Return a search that was told what a study found, by its own or a higher level.

    Trials that do not lie in the study's space are left out. The study's prior, where it is
    known (``study.start``), holds at the study's own level alone.

    Raises:
        ValueError: If the study has no learning-rate range.
    """
    slices = study.slices()
    references = slices[:: -(-len(slices) // MOST_REFERENCES)]
    at = study.collapse.below if level is None else level
    search = BoundarySearch(space_of(study), at, study.seed, references, _anchor(study, at))
    for proposal, finding in findings:
        if is_within(study, proposal):
            search.tell(to_setting(proposal), _observe(finding, at, study.collapse.below))
    return search


def _anchor(study: Study, level: float) -> Anchor | None:
    start = study.start
    if start is None or level != study.collapse.below:
        return None
    return Anchor(
        places=Places(*space_of(study).encode(start.places)),
        mean_P=np.array(start.medians, dtype=np.float64),
        covariance_PP=np.array(start.covariances, dtype=np.float64),
    )


def is_within(study: Study, proposal: Proposal) -> bool:
    """Whether a trial lies in the study's space."""
    return 0 <= proposal.replicate < study.replicates and contains(study, proposal.point)


def to_setting(proposal: Proposal) -> Setting:
    """Return a trial as the search knows it."""
    return Setting(
        proposal.point.without(LR), math.log10(float(proposal.point[LR])), proposal.replicate
    )


def to_proposal(study: Study, setting: Setting) -> Proposal:
    """Return a trial as the study knows it, its learning rate to four digits."""
    axis = study.lr_axis
    assert axis is not None, "a search needs one"
    point = setting.place.replace(LR, round_within(10.0**setting.x, axis))
    return Proposal(point, setting.replicate)


def _observe(finding: Finding, level: float, study_level: float) -> Observation:
    is_lower = level > study_level and finding.score < level
    return Observation(
        score=finding.score,
        is_collapsed=finding.is_collapsed or is_lower,
        is_diverged=finding.is_diverged,
        steps=finding.steps,
    )
