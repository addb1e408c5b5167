"""The question and its answer in plain sentences: the first thing a report says.

An edge that was not found is called that; no number is printed where none was measured.
"""

from dataclasses import dataclass

from orchestrator.audit.catalogue import find_factor
from orchestrator.audit.number import Family, identify
from orchestrator.collapse_map import CollapseMap, SliceMap
from orchestrator.planners.threshold import Verdict
from orchestrator.report.alignment_answer import (
    answer_alignment,
    ask_for_alignment,
    cite_alignment,
)
from orchestrator.report.best import rank_points
from orchestrator.report.layout import Curve, Horizontal, lay_out
from orchestrator.report.wording import (
    describe_critical_lr,
    describe_interval,
    describe_point,
    describe_verdict,
    format_number,
    format_value,
    name_axis,
    name_metric,
)
from search_spaces.axis import Axis, RangeAxis
from search_spaces.study import LR, Question

MOST_CURVES = 4


@dataclass(frozen=True, slots=True)
class Answer:
    """What was asked, what was found, and what is still open (empty when nothing is).

    ``numbers``: the ids of what the sentences say, in their order.
    """

    question: str
    sentences: tuple[str, ...]
    open_points: str
    numbers: tuple[str, ...] = ()


def answer_question(collapse_map: CollapseMap) -> Answer:
    """Return the study's question and the answer that its finished trials give."""
    if collapse_map.study.align is not None:
        question = ask_for_alignment(collapse_map.study)
        sentences = answer_alignment(collapse_map)
    elif collapse_map.study.question is Question.OPTIMISE or not collapse_map.slices:
        question, sentences = _ask_for_best(collapse_map), _answer_best(collapse_map)
    else:
        question, sentences = _ask_for_boundary(collapse_map), _answer_boundary(collapse_map)
    if not collapse_map.outcomes:
        sentences = ("No trial has finished yet, so there is no answer.",)
    return Answer(question, sentences, _describe_open(collapse_map), cite(collapse_map))


def cite(collapse_map: CollapseMap) -> tuple[str, ...]:
    """Return the ids of the numbers that the answer says."""
    study = collapse_map.study
    if not collapse_map.outcomes:
        return ()
    if study.align is not None:
        return cite_alignment(collapse_map)
    if study.question is Question.OPTIMISE or not collapse_map.slices:
        ranking = rank_points(collapse_map)
        return tuple(
            identify(study, Family.BEST, each.point.key, ranking.metric, part)
            for each in ranking.points[:1]
            for part in ("mean", "range")
        )
    named = dict.fromkeys(s.point.key for s in _slices_named(collapse_map))
    level = collapse_map.levels[0]
    parts = ("critical_lr", "band")
    found = [identify(study, Family.BOUNDARY, key, level, part) for key in named for part in parts]
    return (*found, *(identify(study, Family.FACTOR, c.point.key) for c in _factors(collapse_map)))


def _slices_named(collapse_map: CollapseMap) -> list[SliceMap]:
    """Return the slices whose numbers the answer's sentences say."""
    layout = lay_out(collapse_map)
    if len(layout.curves) > MOST_CURVES:
        found = _order_found(collapse_map)
        return [*found[:1], *found[1:][-1:]]
    if layout.horizontal is None or len(collapse_map.slices) == 1:
        return [s for s in collapse_map.slices if s.boundary.trials]
    middles = [curve.slices[len(curve.slices) // 2] for curve in layout.curves]
    ends = [curve.slices[place] for curve in layout.curves for place in (0, -1)]
    return [*middles, *ends]


def _factors(collapse_map: CollapseMap) -> list[Curve]:
    """Return the curves whose factor the answer says."""
    layout = lay_out(collapse_map)
    is_told = layout.horizontal is not None and len(collapse_map.slices) > 1
    if not is_told or len(layout.curves) > MOST_CURVES:
        return []
    return [curve for curve in layout.curves if find_factor(curve) is not None]


def _ask_for_boundary(collapse_map: CollapseMap) -> str:
    study = collapse_map.study
    rule = study.collapse
    over = [_describe_axis(axis) for axis in study.axes if axis.path != LR]
    tail = f", over {_join(over)}" if over else ""
    metric, level = name_metric(rule.metric), format_number(rule.below)
    return f"At which learning rate does training lose its rank ({metric} below {level}){tail}?"


def _answer_boundary(collapse_map: CollapseMap) -> tuple[str, ...]:
    assert collapse_map.lr_range is not None
    layout = lay_out(collapse_map)
    if len(collapse_map.slices) == 1:
        return (f"Training {describe_verdict(collapse_map.slices[0], collapse_map.lr_range)}.",)
    if len(layout.curves) > MOST_CURVES:
        return _answer_extremes(collapse_map)
    if layout.horizontal is None:
        clauses = [
            f"{c.label} {describe_verdict(c.slices[0], collapse_map.lr_range)}"
            for c in layout.curves
        ]
        return (_sentence("; ".join(clauses)),)
    return (
        _answer_middle(layout.curves, layout.horizontal, collapse_map.lr_range),
        _answer_trend(layout.curves, layout.horizontal, collapse_map.lr_range),
    )


def _answer_middle(
    curves: tuple[Curve, ...], horizontal: Horizontal, lr_range: tuple[float, float]
) -> str:
    middle = horizontal.values[len(horizontal.values) // 2]
    clauses = []
    for curve in curves:
        subject = curve.label if curve.point.coordinates else "training"
        here = next(s for s in curve.slices if float(s.point[horizontal.path]) == middle)
        clauses.append(f"{subject} {describe_verdict(here, lr_range)}")
    return f"At {horizontal.name} {format_value(middle)} {'; '.join(clauses)}."


def _answer_trend(
    curves: tuple[Curve, ...], horizontal: Horizontal, lr_range: tuple[float, float]
) -> str:
    clauses = [_describe_trend(curve, lr_range) for curve in curves]
    start, stop = format_value(horizontal.low), format_value(horizontal.high)
    return (
        f"From {horizontal.name} {start} to {stop} the critical learning rate goes "
        f"{'; '.join(clauses)}."
    )


def _describe_trend(curve: Curve, lr_range: tuple[float, float]) -> str:
    first, last = curve.slices[0].boundary, curve.slices[-1].boundary
    ends = [describe_critical_lr(boundary, lr_range) for boundary in (first, last)]
    factor = ""
    if first.critical_lr is not None and last.critical_lr is not None:
        factor = f" (×{format_number(last.critical_lr / first.critical_lr)})"
    subject = f"for {curve.label} " if curve.point.coordinates else ""
    return f"{subject}from {ends[0]} to {ends[1]}{factor}"


def _answer_extremes(collapse_map: CollapseMap) -> tuple[str, ...]:
    found = _order_found(collapse_map)
    total = len(collapse_map.slices)
    if not found:
        counts = _count_verdicts(collapse_map.slices)
        return (f"None of the {total} slices has a single threshold in range: {counts}.",)
    ends = [
        f"{describe_critical_lr(s.boundary, collapse_map.lr_range or (0, 0))} "
        f"{describe_interval(s.boundary.band_lr)} ({describe_point(s.point)})"
        for s in (found[0], found[-1])
    ]
    where = f"{len(found)} of {total}" if len(found) < total else f"all {total}"
    sentence = f"In {where} slices training collapses above a learning rate"
    sentence += f" between {ends[0]} and {ends[1]}."
    rest = [s for s in collapse_map.slices if s.boundary.critical_lr is None]
    return (sentence, f"The others: {_count_verdicts(rest)}.") if rest else (sentence,)


def _order_found(collapse_map: CollapseMap) -> list[SliceMap]:
    """Return the slices with a critical learning rate, the lowest first."""
    found = [s for s in collapse_map.slices if s.boundary.critical_lr is not None]
    return sorted(found, key=lambda s: (s.boundary.critical_lr or 0.0, s.point.key))


def _count_verdicts(slices: "tuple[SliceMap, ...] | list[SliceMap]") -> str:
    words = {
        Verdict.ABOVE: "without collapse in the range",
        Verdict.BELOW: "collapsed in the whole range",
        Verdict.TRANSITION: "with a transition but no single threshold",
        Verdict.UNDECIDED: "not decided yet",
    }
    counts = {v: sum(s.boundary.verdict is v for s in slices) for v in words}
    return _join([f"{count} {words[v]}" for v, count in counts.items() if count])


def _ask_for_best(collapse_map: CollapseMap) -> str:
    ranking = rank_points(collapse_map)
    over = [_describe_axis(axis) for axis in collapse_map.study.axes]
    side = "highest" if ranking.is_maximised else "lowest"
    return f"Which setting gives the {side} {name_metric(ranking.metric)}, over {_join(over)}?"


def _answer_best(collapse_map: CollapseMap) -> tuple[str, ...]:
    ranking = rank_points(collapse_map)
    metric = name_metric(ranking.metric)
    if not ranking.points:
        return (f"No finished trial has a measured {metric}.",)
    best = ranking.points[0]
    spread = f", from {format_number(best.low, 3)} to {format_number(best.high, 3)}"
    seeds = f"the mean of {best.trials} seeds{spread}" if best.trials > 1 else "one seed only"
    of = f"{len(ranking.points)} points"
    if ranking.pruned:
        of += f" that were trained to the end ({len(ranking.pruned)} were not)"
    return (
        f"The best of {of} is {describe_point(best.point)}.",
        f"Its {metric} is {format_number(best.mean, 3)} ({seeds}).",
    )


def _describe_open(collapse_map: CollapseMap) -> str:
    counts = collapse_map.counts
    parts = [f"{counts.not_finished} still to run"] if counts.not_finished else []
    parts += [f"{counts.missing} missing because every attempt failed"] if counts.missing else []
    return f"Trials without an outcome: {_join(parts)}." if parts else ""


def _describe_axis(axis: Axis) -> str:
    if isinstance(axis, RangeAxis):
        return f"{name_axis(axis.path)} ({format_number(axis.low)} to {format_number(axis.high)})"
    return f"{name_axis(axis.path)} ({', '.join(format_value(value) for value in axis.values)})"


def _join(parts: list[str]) -> str:
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + "."
