"""The tables of the HTML report as plain values; the template escapes and arranges them."""

from collections.abc import Sequence
from dataclasses import dataclass

from orchestrator.audit.catalogue import list_costs
from orchestrator.audit.number import Family, identify
from orchestrator.collapse_map import CollapseMap, SliceMap
from orchestrator.planners.threshold import Verdict
from orchestrator.record import TrialRecord
from orchestrator.report.best import RankedPoint, Ranking
from orchestrator.report.wording import (
    begin,
    describe_bracket,
    describe_critical_lr,
    describe_interval,
    describe_point,
    format_number,
    name_metric,
    name_regime,
)
from search_spaces.study import LR, Question, Study
from trainer.cohort import Outcome
from trainer.collapse.regime import Regime

MOST_BEST = 20


@dataclass(frozen=True, slots=True)
class Cell:
    """What a cell shows, by what it is sorted, and the id of its number; empty without one."""

    text: str
    sort: str | float
    number: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """Column headings and rows, with a note for what is left out (may be empty)."""

    headings: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    note: str = ""


def tabulate_slices(collapse_map: CollapseMap) -> Table:
    """Return one row a slice at the study's level."""
    headings = (
        "Slice",
        "Critical learning rate",
        "95 % band",
        "Last all healthy → first all collapsed",
        "Trials",
        "Trial-steps",
    )
    rows = tuple(_slice_row(collapse_map, slice_map) for slice_map in collapse_map.slices)
    return Table(headings, rows)


def _slice_row(collapse_map: CollapseMap, slice_map: SliceMap) -> tuple[Cell, ...]:
    assert collapse_map.lr_range is not None
    boundary, counts = slice_map.boundary, slice_map.counts
    interval = describe_interval(boundary.band_lr, 3)
    if boundary.verdict is Verdict.TRANSITION:
        interval += " transition"
    rate = describe_critical_lr(boundary, collapse_map.lr_range, 3)
    lowest = boundary.band_lr and boundary.band_lr[0]
    study, key = collapse_map.study, slice_map.point.key
    at_level = (Family.BOUNDARY, key, boundary.level)
    return (
        _text(describe_point(slice_map.point)),
        _number(rate, boundary.critical_lr, identify(study, *at_level, "critical_lr")),
        _number(interval or "–", lowest, identify(study, *at_level, "band")),
        _number(
            describe_bracket(boundary),
            boundary.last_healthy_lr,
            identify(study, *at_level, "bracket"),
        ),
        _number(str(counts.finished), counts.finished, identify(study, Family.COST, key, "trials")),
        _number(
            f"{counts.trial_steps:,}",
            counts.trial_steps,
            identify(study, Family.COST, key, "trial_steps"),
        ),
    )


def tabulate_levels(collapse_map: CollapseMap) -> Table:
    """Return the critical learning rate of every slice at every level."""
    metric = name_metric(collapse_map.study.collapse.metric)
    headings = ["Slice"]
    headings += [f"{metric} below {format_number(level)}" for level in collapse_map.levels]
    rows = []
    for slice_map in collapse_map.slices:
        cells = [_text(describe_point(slice_map.point))]
        for boundary in slice_map.boundaries:
            assert collapse_map.lr_range is not None
            rate = describe_critical_lr(boundary, collapse_map.lr_range)
            text = f"{rate} {describe_interval(boundary.band_lr)}".strip()
            parts = (Family.BOUNDARY, slice_map.point.key, boundary.level, "critical_lr")
            number = identify(collapse_map.study, *parts)
            cells.append(_number(text, boundary.critical_lr, number))
        rows.append(tuple(cells))
    return Table(tuple(headings), tuple(rows))


def tabulate_best(study: Study, ranking: Ranking) -> Table:
    """Return the best points, with the spread over seeds."""
    metric = name_metric(ranking.metric)
    rows = tuple(
        _best_row(study, ranking.metric, place, each)
        for place, each in enumerate(ranking.points[:MOST_BEST], start=1)
    )
    headings = ("Place", "Point", f"Mean {metric}", "Over seeds", "Seeds", "Of them collapsed")
    notes = []
    if len(ranking.points) > MOST_BEST:
        notes.append(
            f"The best {MOST_BEST} of {len(ranking.points)} points; all are in trials.csv."
        )
    if ranking.pruned:
        notes.append(f"{len(ranking.pruned)} points were ended early by the pruner: not ranked.")
    if ranking.unmeasured:
        notes.append(f"{ranking.unmeasured} finished trials have no {metric} (diverged).")
    return Table(headings, rows, " ".join(notes))


def _best_row(study: Study, metric: str, place: int, each: RankedPoint) -> tuple[Cell, ...]:
    def cell(text: str, value: float, part: str) -> Cell:
        return _number(text, value, identify(study, Family.BEST, each.point.key, metric, part))

    spread = f"{format_number(each.low, 4)} to {format_number(each.high, 4)}"
    spread = spread if each.trials > 1 else "–"
    return (
        Cell(str(place), place),
        _text(describe_point(each.point)),
        cell(format_number(each.mean, 4), each.mean, "mean"),
        cell(spread, each.low, "range"),
        cell(str(each.trials), each.trials, "trials"),
        cell(str(each.collapsed), each.collapsed, "collapsed"),
    )


def tabulate_trial_rows(
    collapse_map: CollapseMap, records: Sequence[TrialRecord], most: int
) -> Table:
    """Return one row a trial, unfinished ones included, in the order of their keys."""
    ordered = sorted(records, key=lambda record: record.key)
    headings = (
        "Point",
        "lr",
        "Replicate",
        "Seed",
        "Regime",
        begin(name_metric(collapse_map.study.collapse.metric)),
        "Steps",
        "Ended early",
        "Seconds",
    )
    note = f"The first {most:,} of {len(ordered):,} trials; all are in trials.csv."
    rows = tuple(_trial_row(collapse_map.study, record) for record in ordered[:most])
    return Table(headings, rows, note if len(ordered) > most else "")


def list_facts(collapse_map: CollapseMap) -> tuple[tuple[str, Cell], ...]:
    """Return what the study cost, as names and values."""
    has_slices = collapse_map.study.question is not Question.OPTIMISE
    shown = {"off_slice"} if collapse_map.off_slice and has_slices else set()
    shown |= {"pruned"} if collapse_map.study.pruner is not None else set()
    shown |= {"audited", "disagreed", "changed_regime"} if collapse_map.audit.audited else set()
    facts = []
    for name, what, value, is_timed in list_costs(collapse_map):
        if name not in _FACTS and name not in shown:
            continue
        text = f"{format_number(value, 3)} s" if is_timed else f"{value:,}"
        number = identify(collapse_map.study, Family.COST, name)
        facts.append((begin(_FACTS.get(name, what)), Cell(text, value, number)))
    return tuple(facts)


_FACTS = {
    "finished": "trials finished",
    "not_finished": "trials still to run",
    "missing": "trials missing (failed)",
    "trial_steps": "trial-steps",
    "seconds": "training time, all trials",
    "decided_early": "trials decided early",
}


def describe_audit(collapse_map: CollapseMap) -> str:
    """Return what auditing early decisions found."""
    audit = collapse_map.audit
    if audit.audited == 0:
        return "No member that could have been decided early was trained on to check it."
    share = 100 * audit.disagreed / audit.audited
    return (
        f"{audit.audited} members that could have been decided early were trained to the end: "
        f"{audit.disagreed} of them ({format_number(share)} %) were not collapsed there, and "
        f"{audit.changed_regime} ended in another regime than the early decision said."
    )


def _trial_row(study: Study, record: TrialRecord) -> tuple[Cell, ...]:
    def cell(text: str, value: float, part: str) -> Cell:
        return _number(text, value, identify(study, Family.TRIAL, record.key, part))

    outcome = record.outcome
    lead = (
        _text(describe_point(record.proposal.point.without(LR))),
        _number(format_number(record.settings.lr, 4), record.settings.lr),
        _number(str(record.proposal.replicate), record.proposal.replicate),
        _number(str(record.seed), record.seed),
    )
    if outcome is None:
        state = f"{record.state.value}: {record.failure}" if record.failure else record.state.value
        return (*lead, _text(state), *(_number("–", None) for _ in range(4)))
    has_score = outcome.regime is not Regime.DIVERGED
    return (
        *lead,
        _text(name_regime(outcome.regime)),
        cell(format_number(outcome.score, 3) if has_score else "–", outcome.score, "score"),
        cell(str(outcome.steps_done), outcome.steps_done, "steps_done"),
        _text(_say_early(outcome)),
        cell(format_number(outcome.seconds, 2), outcome.seconds, "seconds"),
    )


def _say_early(outcome: Outcome) -> str:
    if outcome.pruned_at_step is not None:
        return "pruned"
    return "decided" if outcome.decided_early else "no"


def _text(text: str) -> Cell:
    return Cell(text, text)


def _number(text: str, value: float | None, number: str = "") -> Cell:
    return Cell(text, "" if value is None else value, number)
