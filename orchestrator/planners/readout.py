"""The boundary as it stands: one threshold per slice, read off findings.

A study that was planned as one surface is read as one, because its slices alone saw too few
trials; any other one slice by slice.
"""

import math
from collections.abc import Iterable, Mapping

from orchestrator.planners.protocol import Finding, Proposal
from orchestrator.planners.study_space import open_search
from orchestrator.planners.threshold import Threshold, estimate_threshold
from search_spaces.point import Point
from search_spaces.study import LR, PlannerKind, Study


def read_boundary(
    study: Study, findings: Iterable[tuple[Proposal, Finding]], level: float | None = None
) -> Mapping[Point, Threshold]:
    """Return the threshold of every slice of a study, in the order of its slices.

    Args:
        study: A study with a learning-rate range.
        findings: Finished trials, in any order.
        level: Which score counts as collapsed, at least the study's own; None takes that.

    Raises:
        ValueError: If the study has no learning-rate range.
    """
    told = list(findings)
    if study.planner is PlannerKind.SURFACE:
        search = open_search(study, told, level)
        return dict(zip(study.slices(), search.posterior(study.slices()), strict=True))
    is_other = level is not None and level != study.collapse.below
    return read_thresholds(
        study,
        [(p, f.is_collapsed or (is_other and f.score < (level or 0.0))) for p, f in told],
    )


def is_prior_kept(study: Study, findings: Iterable[tuple[Proposal, Finding]]) -> bool | None:
    """Return whether the findings let the study's prior stand; None for a study without one."""
    if study.start is None:
        return None
    return open_search(study, findings).fit().is_anchored


def read_thresholds(
    study: Study, labels: Iterable[tuple[Proposal, bool]]
) -> Mapping[Point, Threshold]:
    """Return the threshold of every slice of a study, in the order of its slices.

    Args:
        study: A study with a learning-rate range.
        labels: Finished trials and whether each collapsed, by the study's own level or by
            another (compare the scores with it). Trials off the slices are left out.

    Raises:
        ValueError: If the study has no learning-rate range.
    """
    axis = study.lr_axis
    if axis is None:
        raise ValueError(f"study {study.name} has no learning-rate range, so no boundary")
    low, high = math.log10(axis.low), math.log10(axis.high)
    rows: dict[Point, list[tuple[float, bool, int]]] = {point: [] for point in study.slices()}
    for proposal, is_collapsed in labels:
        lr = dict(proposal.point.coordinates).get(LR)
        mine = rows.get(proposal.point.without(LR))
        if mine is not None and isinstance(lr, int | float) and axis.low <= lr <= axis.high:
            mine.append((math.log10(lr), is_collapsed, proposal.replicate))
    return {
        point: estimate_threshold(
            [x for x, _, _ in mine], [c for _, c, _ in mine], [r for _, _, r in mine], low, high
        )
        for point, mine in rows.items()
    }
