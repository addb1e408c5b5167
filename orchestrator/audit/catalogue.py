"""Every number of a study's report, with its id and the trials behind it.

The report's tables ask :func:`~orchestrator.audit.number.identify` for the same ids with the same
parts; a test holds that each id on a page is in the catalogue.
"""

from collections.abc import Iterable, Iterator, Sequence

from orchestrator.audit.number import Family, Number, identify, round_off
from orchestrator.collapse_map import CollapseMap, SliceMap
from orchestrator.record import TrialRecord, TrialState
from orchestrator.report.alignment import summarise_alignment
from orchestrator.report.best import RankedPoint, rank_points
from orchestrator.report.importance import rank_axes
from orchestrator.report.layout import Curve, lay_out
from orchestrator.report.theory import LINES, Fit, compare_with_lines
from orchestrator.report.wording import describe_point, format_number, name_axis, name_metric
from search_spaces.point import Point
from search_spaces.study import LR, Question


def list_numbers(
    collapse_map: CollapseMap, records: Sequence[TrialRecord] = ()
) -> tuple[Number, ...]:
    """Return the numbers of a study's report, those of single trials last.

    Args:
        collapse_map: Of the study; its finished trials are those that numbers come from.
        records: All trials, for what counts unfinished ones too.
    """
    question = collapse_map.study.question
    parts: list[Iterable[Number]] = []
    if question is not Question.OPTIMISE:
        parts += [_of_slices(collapse_map), _of_trends(collapse_map), _of_lines(collapse_map)]
    if question is not Question.BOUNDARY or not collapse_map.slices:
        parts.append(_of_best(collapse_map))
    if question is Question.OPTIMISE:
        parts.append(_of_axes(collapse_map))
    parts += [_of_alignment(collapse_map), _of_cost(collapse_map, records)]
    parts.append(_of_trials(collapse_map))
    return tuple(number for part in parts for number in part)


def _of_slices(collapse_map: CollapseMap) -> Iterator[Number]:
    study = collapse_map.study
    metric = name_metric(study.collapse.metric)
    by_slice = _keys_by_slice(collapse_map)
    for slice_map in collapse_map.slices:
        keys = by_slice.get(slice_map.point, ())
        where = describe_point(slice_map.point)
        key = slice_map.point.key
        for boundary in slice_map.boundaries:
            level = boundary.level
            rule = f"{where}, at {metric} below {format_number(level)}"
            parts = (Family.BOUNDARY, key, level)
            yield Number(
                identify(study, *parts, "critical_lr"),
                f"critical learning rate of {rule}",
                round_off(boundary.critical_lr),
                keys,
            )
            band = boundary.band_lr
            yield Number(
                identify(study, *parts, "band"),
                f"95 % band (or transition) of the critical learning rate of {rule}",
                None if band is None else (round_off(band[0]), round_off(band[1])),
                keys,
            )
        yield from _of_slice(collapse_map, slice_map, keys)


def _of_slice(
    collapse_map: CollapseMap, slice_map: SliceMap, keys: tuple[str, ...]
) -> Iterator[Number]:
    study, boundary = collapse_map.study, slice_map.boundary
    where, key = describe_point(slice_map.point), slice_map.point.key
    ends = (round_off(boundary.last_healthy_lr), round_off(boundary.first_collapsed_lr))
    yield Number(
        identify(study, Family.BOUNDARY, key, boundary.level, "bracket"),
        f"highest learning rate up to which all of {where} kept their rank, lowest from which on "
        "all lost it",
        ends,
        keys,
    )
    counts = slice_map.counts
    for name, value, what in (
        ("trials", counts.finished, "finished trials"),
        ("trial_steps", counts.trial_steps, "optimiser steps of the finished trials"),
    ):
        yield Number(identify(study, Family.COST, key, name), f"{what} of {where}", value, keys)


def _of_trends(collapse_map: CollapseMap) -> Iterator[Number]:
    layout = lay_out(collapse_map)
    if layout.horizontal is None:
        return
    by_slice = _keys_by_slice(collapse_map)
    for curve in layout.curves:
        factor = find_factor(curve)
        if factor is None:
            continue
        first, last = curve.slices[0], curve.slices[-1]
        yield Number(
            identify(collapse_map.study, Family.FACTOR, curve.point.key),
            f"critical learning rate of {describe_point(last.point)} over that of "
            f"{describe_point(first.point)}",
            round_off(factor),
            tuple(sorted({*by_slice.get(first.point, ()), *by_slice.get(last.point, ())})),
        )


def find_factor(curve: Curve) -> float | None:
    """Return the critical learning rate at a curve's high end over that at its low end."""
    first, last = curve.slices[0].boundary.critical_lr, curve.slices[-1].boundary.critical_lr
    return None if first is None or last is None else last / first


def _of_lines(collapse_map: CollapseMap) -> Iterator[Number]:
    by_slice = _keys_by_slice(collapse_map)
    for fit in compare_with_lines(collapse_map):
        yield from _of_fit(collapse_map, fit, by_slice)


def _of_fit(
    collapse_map: CollapseMap, fit: Fit, by_slice: dict[Point, tuple[str, ...]]
) -> Iterator[Number]:
    study, own = collapse_map.study, Family.RESIDUAL
    everything: set[str] = set()
    for residual in fit.residuals:
        point = residual.slice_map.point
        keys, where = by_slice.get(point, ()), describe_point(point)
        everything |= set(keys)
        yield Number(
            identify(study, own, point.key, "factor"),
            f"critical learning rate over temperature, {where}",
            round_off(residual.factor),
            keys,
        )
        for (name, _), value in zip(LINES, residual.decades, strict=True):
            what = f"decades of the critical learning rate above {name}, {where}"
            yield Number(identify(study, own, point.key, name), what, round_off(value), keys)
    keys, where = tuple(sorted(everything)), describe_point(fit.point)
    yield Number(
        identify(study, own, "fit", fit.point.key, "slope"),
        f"slope of log critical learning rate over log temperature, {where}",
        round_off(fit.slope),
        keys,
    )
    for (name, _), value in zip(LINES, fit.spread, strict=True):
        what = f"root mean square distance from {name} in decades, {where}"
        parts = ("fit", fit.point.key, name)
        yield Number(identify(study, own, *parts), what, round_off(value), keys)


def _of_best(collapse_map: CollapseMap) -> Iterator[Number]:
    ranking = rank_points(collapse_map)
    keys: dict[Point, list[str]] = {}
    for record, outcome in collapse_map.outcomes:
        if ranking.metric in outcome.measures:
            keys.setdefault(record.proposal.point, []).append(record.key)
    for each in ranking.points:
        yield from _of_point(collapse_map, each, ranking.metric, tuple(keys[each.point]))


def _of_point(
    collapse_map: CollapseMap, each: RankedPoint, metric: str, keys: tuple[str, ...]
) -> Iterator[Number]:
    name, where = name_metric(metric), describe_point(each.point)
    for part, what, value in (
        ("mean", f"mean {name} over the seeds of {where}", each.mean),
        ("range", f"lowest and highest {name} of the seeds of {where}", (each.low, each.high)),
        ("trials", f"measured seeds of {where}", each.trials),
        ("collapsed", f"seeds of {where} that lost their rank", each.collapsed),
    ):
        parts = (Family.BEST, each.point.key, metric, part)
        yield Number(identify(collapse_map.study, *parts), what, value, keys)


def _of_axes(collapse_map: CollapseMap) -> Iterator[Number]:
    metric = rank_points(collapse_map).metric
    keys = tuple(
        record.key
        for record, outcome in collapse_map.outcomes
        if metric in outcome.measures and outcome.pruned_at_step is None
    )
    for each in rank_axes(collapse_map):
        what = f"share of the importance for {name_metric(metric)} of {name_axis(each.path)}"
        number = identify(collapse_map.study, Family.IMPORTANCE, each.path)
        yield Number(number, f"{what} (Optuna, PED-ANOVA)", round_off(each.share), keys)


def _of_alignment(collapse_map: CollapseMap) -> Iterator[Number]:
    for each in summarise_alignment(collapse_map):
        where, name = describe_point(each.point), name_metric(each.measure)
        parts = (Family.ALIGNMENT, each.point.key, each.measure)
        study = collapse_map.study
        assert study.align is not None
        what = f"{name} of {where} against {study.align.reference} at the end"
        yield Number(identify(study, *parts), f"mean over seeds of {what}", each.mean, each.trials)
        ends = (each.low, each.high)
        what = f"lowest and highest seed of {what}"
        yield Number(identify(study, *parts, "range"), what, ends, each.trials)


def _of_cost(collapse_map: CollapseMap, records: Sequence[TrialRecord]) -> Iterator[Number]:
    keys = tuple(record.key for record, _ in collapse_map.outcomes)
    for name, what, value, is_timed in list_costs(collapse_map):
        state = _UNFINISHED.get(name)
        behind = keys if state is None else tuple(r.key for r in records if r.state is state)
        number = identify(collapse_map.study, Family.COST, name)
        yield Number(number, what, value, behind, is_timed)


_UNFINISHED = {"not_finished": TrialState.PENDING, "missing": TrialState.MISSING}


def list_costs(collapse_map: CollapseMap) -> list[tuple[str, str, float, bool]]:
    """Return what a study cost: name, words, value, and whether a clock made it."""
    counts, audit = collapse_map.counts, collapse_map.audit
    seconds = sum(sorted(outcome.seconds for _, outcome in collapse_map.outcomes))
    pruned = sum(outcome.pruned_at_step is not None for _, outcome in collapse_map.outcomes)
    decided = sum(
        outcome.decided_early and outcome.pruned_at_step is None
        for _, outcome in collapse_map.outcomes
    )
    return [
        ("finished", "trials finished", counts.finished, False),
        ("not_finished", "trials still to run", counts.not_finished, False),
        ("missing", "trials missing (failed)", counts.missing, False),
        ("trial_steps", "trial-steps", counts.trial_steps, False),
        ("seconds", "training time of all trials in seconds", seconds, True),
        ("decided_early", "trials decided early", decided, False),
        ("pruned", "trials ended by the pruner", pruned, False),
        ("off_slice", "trials between the slices", collapse_map.off_slice, False),
        ("audited", "trials that could have been decided early and were not", audit.audited, False),
        ("disagreed", "of these, not collapsed at the end", audit.disagreed, False),
        ("changed_regime", "of these, in another regime at the end", audit.changed_regime, False),
    ]


def _of_trials(collapse_map: CollapseMap) -> Iterator[Number]:
    metric = name_metric(collapse_map.study.collapse.metric)
    for record, outcome in collapse_map.outcomes:
        where = f"{describe_point(record.proposal.point)}, replicate {record.proposal.replicate}"
        for part, what, value in (
            ("score", metric, outcome.score),
            ("steps_done", "optimiser steps", outcome.steps_done),
            ("seconds", "training time in seconds", outcome.seconds),
        ):
            number = identify(collapse_map.study, Family.TRIAL, record.key, part)
            phrase = f"{what} of trial {where}"
            yield Number(number, phrase, value, (record.key,), is_timed=part == "seconds")


def _keys_by_slice(collapse_map: CollapseMap) -> dict[Point, tuple[str, ...]]:
    found: dict[Point, list[str]] = {}
    for record, _ in collapse_map.outcomes:
        found.setdefault(record.proposal.point.without(LR), []).append(record.key)
    return {point: tuple(keys) for point, keys in found.items()}
