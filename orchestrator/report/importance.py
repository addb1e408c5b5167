"""How much of what is optimised each axis decides: Optuna's own ``get_param_importances``.

Optuna 5 evaluates them with PED-ANOVA, which also takes axes that only some objectives have.

References:
    Watanabe, Bansal & Hutter, "PED-ANOVA", IJCAI 2023, arXiv:2304.10255.
    "Conditional PED-ANOVA", KDD 2026, arXiv:2601.20800.
"""

from dataclasses import dataclass

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
from optuna.importance import get_param_importances
from optuna.study import StudyDirection
from optuna.trial import create_trial

from orchestrator.collapse_map import CollapseMap
from orchestrator.report.best import choose_metric
from search_spaces.axis import Axis, RangeAxis
from search_spaces.point import Point

FEWEST_TRIALS = 10
"""With fewer, the best tenth of them, which PED-ANOVA looks at, is not even one trial."""


@dataclass(frozen=True, slots=True)
class Importance:
    """An axis and its share; all shares sum to one."""

    path: str
    share: float


def rank_axes(collapse_map: CollapseMap) -> tuple[Importance, ...]:
    """Return every axis with its share of the spread of the study's metric, the largest first.

    Trials without the metric (diverged) are left out, and so are pruned ones, as by Optuna.
    Empty with fewer than ten trials, or where all of them are equal in the metric.
    """
    metric, is_maximised = choose_metric(collapse_map.study)
    measured = [
        (record.proposal.point, outcome.measures[metric])
        for record, outcome in collapse_map.outcomes
        if metric in outcome.measures and outcome.pruned_at_step is None
    ]
    if len(measured) < FEWEST_TRIALS or len({value for _, value in measured}) == 1:
        return ()
    direction = StudyDirection.MAXIMIZE if is_maximised else StudyDirection.MINIMIZE
    study = optuna.create_study(storage=optuna.storages.InMemoryStorage(), direction=direction)
    axes = {axis.path: axis for axis in collapse_map.study.axes}
    study.add_trials([_as_trial(point, value, axes) for point, value in measured])
    found = get_param_importances(study)
    ranked = sorted(found.items(), key=lambda item: (-item[1], item[0]))
    return tuple(Importance(path, float(share)) for path, share in ranked)


def _as_trial(point: Point, value: float, axes: dict[str, Axis]) -> optuna.trial.FrozenTrial:
    coordinates = dict(point.coordinates)
    distributions = {path: _distribution(axes[path]) for path in coordinates}
    return create_trial(params=coordinates, distributions=distributions, value=value)


def _distribution(axis: Axis) -> BaseDistribution:
    if isinstance(axis, RangeAxis):
        return FloatDistribution(axis.low, axis.high, log=axis.log)
    return CategoricalDistribution(axis.values)
