"""Trials side by side: an arm is a setting, its trials are the seeds; and their histories."""

from collections.abc import Sequence
from dataclasses import dataclass

from orchestrator.collapse_map import CollapseMap
from orchestrator.record import TrialRecord
from orchestrator.report.best import rank_points
from orchestrator.report.wording import describe_point, name_axis
from search_spaces.point import Point, Value
from search_spaces.study import KIND, Question
from trainer.cohort import History, Outcome

Trials = tuple[tuple[TrialRecord, Outcome], ...]

MOST_GROUPS = 60
MOST_BEST = 6


@dataclass(frozen=True, slots=True)
class Arm:
    """One setting: its name among its group, and its finished trials by replicate."""

    label: str
    trials: Trials


@dataclass(frozen=True, slots=True)
class ArmGroup:
    """Arms that are looked at together; ``label`` says what they share."""

    label: str
    arms: tuple[Arm, ...]


def group_arms(collapse_map: CollapseMap) -> tuple[ArmGroup, ...]:
    """Return the arms of a grid, or the best points of an optimisation.

    A grid's arms differ in the objective, or in its first axis where there is one objective; all
    else is shared by a group. A study of a boundary has none: its slices show its trials.
    """
    match collapse_map.study.question:
        case Question.BOUNDARY:
            return ()
        case Question.OPTIMISE:
            return _group_best(collapse_map)
        case Question.GRID:
            return _group_grid(collapse_map)


def history_of(name: str, outcome: Outcome) -> list[tuple[int, float]]:
    """Return steps and values of a measure: against the reference, or of the trial itself."""
    for history in (outcome.coupling, outcome.history):
        if history is not None and history.values.get(name):
            return pair_steps(history, name, outcome)
    return []


def pair_steps(history: History, name: str, outcome: Outcome) -> list[tuple[int, float]]:
    """Return steps with a measure's values, and before them its value before the first step."""
    values = history.values[name]
    # A history without a step for each value has them from its later checks.
    pairs = list(zip(history.steps[-len(values) :], values, strict=True))
    if name in outcome.initial and pairs[0][0] > 0:
        return [(0, outcome.initial[name]), *pairs]
    return pairs


def _group_grid(collapse_map: CollapseMap) -> tuple[ArmGroup, ...]:
    paths = [axis.path for axis in collapse_map.study.axes]
    across = KIND if KIND in paths or not paths else paths[0]
    groups: dict[Point, dict[Point, list[tuple[TrialRecord, Outcome]]]] = {}
    for record, outcome in collapse_map.outcomes:
        point = record.proposal.point
        arms = groups.setdefault(point.without(across), {})
        arms.setdefault(point, []).append((record, outcome))
    order = [
        value for axis in collapse_map.study.axes if axis.path == across for value in axis.grid()
    ]
    return tuple(
        ArmGroup(describe_point(shared), _sort(groups[shared], across, order))
        for shared in sorted(groups, key=_place)[:MOST_GROUPS]
    )


def _sort(
    arms: dict[Point, list[tuple[TrialRecord, Outcome]]], across: str, order: Sequence[Value]
) -> tuple[Arm, ...]:
    """Return arms in the order in which the study lists them, those between its values last."""

    def place(point: Point) -> tuple[int, str]:
        value = dict(point.coordinates).get(across)
        return (order.index(value) if value in order else len(order), point.key)

    found = sorted(arms, key=place)
    return tuple(Arm(_name(point, across), _by_seed(arms[point])) for point in found)


def _place(point: Point) -> list[tuple[str, bool, float, str]]:
    """Return what sorts points by coordinate, numbers as numbers."""
    return [
        (path, isinstance(v, str), 0.0 if isinstance(v, str) else float(v), str(v))
        for path, v in point.coordinates
    ]


def _name(point: Point, across: str) -> str:
    value = dict(point.coordinates).get(across)
    if value is None:
        return "all trials"
    own = describe_point(Point.of({across: value}))
    return own if across == KIND else own.removeprefix(f"{name_axis(across)} ")


def _group_best(collapse_map: CollapseMap) -> tuple[ArmGroup, ...]:
    best = rank_points(collapse_map).points[:MOST_BEST]
    trials: dict[Point, list[tuple[TrialRecord, Outcome]]] = {}
    for record, outcome in collapse_map.outcomes:
        trials.setdefault(record.proposal.point, []).append((record, outcome))
    arms = tuple(
        Arm(f"place {place}", _by_seed(trials[each.point]))
        for place, each in enumerate(best, start=1)
    )
    return (ArmGroup("the best points", arms),) if arms else ()


def _by_seed(trials: Sequence[tuple[TrialRecord, Outcome]]) -> Trials:
    return tuple(sorted(trials, key=lambda trial: trial[0].proposal.replicate))
