"""Points ranked by a final measure: the answer to ``optimise``, an extra for ``grid``."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from orchestrator.collapse_map import CollapseMap
from search_spaces.pair_rules import form_of
from search_spaces.point import Point
from search_spaces.study import Study
from trainer.trial_settings import SOUNDS

_SOURCE = "data.source"

DEFAULT_METRIC = "knn_accuracy"
DEFAULT_METRIC_OF_SOUNDS = "val_recall_at_1"
"""Of sounds with captions: measured on the val clips, for to rank points is to choose."""


@dataclass(frozen=True, slots=True)
class RankedPoint:
    """A point and its measure over replicates; ``collapsed`` of its ``trials`` lost their rank."""

    point: Point
    mean: float
    low: float
    high: float
    trials: int
    collapsed: int


@dataclass(frozen=True, slots=True)
class Ranking:
    """Points from best to worst; ``unmeasured`` trials (diverged) have no such measure.

    ``pruned`` points are not ranked: the study's pruner ended a trial of theirs early, and a
    measure after ten steps is not compared with one after a thousand.
    """

    metric: str
    is_maximised: bool
    points: tuple[RankedPoint, ...]
    unmeasured: int
    pruned: tuple[Point, ...] = ()


def rank_points(collapse_map: CollapseMap) -> Ranking:
    """Return the study's points by its metric, see :func:`choose_metric`."""
    metric, is_maximised = choose_metric(collapse_map.study)
    groups: dict[Point, list[tuple[float, bool]]] = {}
    unmeasured = 0
    pruned = _find_pruned(collapse_map)
    for record, outcome in collapse_map.outcomes:
        if record.proposal.point in pruned:
            continue
        value = outcome.measures.get(metric)
        if value is None:
            unmeasured += 1
            continue
        groups.setdefault(record.proposal.point, []).append((value, outcome.is_collapsed))
    ranked = [_summarise(point, found) for point, found in groups.items()]
    sign = -1.0 if is_maximised else 1.0
    ranked.sort(key=lambda each: (sign * each.mean, each.point.key))
    return Ranking(metric, is_maximised, tuple(ranked), unmeasured, tuple(pruned))


def choose_metric(study: Study) -> tuple[str, bool]:
    """Return the measure by which points are ranked, and whether more is better.

    ``optimise.metric``; without one the kNN accuracy of images, the recall of sounds.
    """
    if study.optimise is not None:
        return study.optimise.metric, study.optimise.direction == "maximize"
    is_sounds = form_of(_sources(study)) == SOUNDS
    return (DEFAULT_METRIC_OF_SOUNDS if is_sounds else DEFAULT_METRIC), True


def _find_pruned(collapse_map: CollapseMap) -> dict[Point, None]:
    """Return the points of pruned trials, in the order of the trials, each once."""
    return dict.fromkeys(
        record.proposal.point
        for record, outcome in collapse_map.outcomes
        if outcome.pruned_at_step is not None
    )


def _sources(study: Study) -> Sequence[object]:
    axis = next((axis for axis in study.axes if axis.path == _SOURCE), None)
    return [dict(study.fixed).get(_SOURCE)] if axis is None else axis.grid()


def _summarise(point: Point, found: Sequence[tuple[float, bool]]) -> RankedPoint:
    values = sorted(value for value, _ in found)  # sorted: the sum must not depend on order
    collapsed = sum(is_collapsed for _, is_collapsed in found)
    return RankedPoint(point, fmean(values), values[0], values[-1], len(values), collapsed)
