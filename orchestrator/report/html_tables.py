"""The tables of the HTML report as plain values; the template escapes and arranges them."""

from collections.abc import Sequence
from dataclasses import dataclass

from orchestrator.collapse_map import CollapseMap
from orchestrator.planners.threshold import Verdict
from orchestrator.record import TrialRecord
from orchestrator.report.best import Ranking
from orchestrator.report.wording import (
    describe_bracket,
    describe_critical_lr,
    describe_interval,
    describe_point,
    format_number,
    name_metric,
    name_regime,
)
from search_spaces.study import LR
from trainer.collapse.regime import Regime

MOST_BEST = 20


@dataclass(frozen=True, slots=True)
class Cell:
    """What a cell shows and by what it is sorted."""

    text: str
    sort: str | float


@dataclass(frozen=True, slots=True)
class Table:
    """Column headings and rows, with a note for what is left out (may be empty)."""

    headings: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    note: str = ""


def tabulate_slices(collapse_map: CollapseMap) -> Table:
    """Return one row a slice at the study's level."""
    rows = []
    for slice_map in collapse_map.slices:
        assert collapse_map.lr_range is not None
        boundary, counts = slice_map.boundary, slice_map.counts
        interval = describe_interval(boundary.band_lr, 3)
        if boundary.verdict is Verdict.TRANSITION:
            interval += " transition"
        rows.append(
            (
                _text(describe_point(slice_map.point)),
                _number(
                    describe_critical_lr(boundary, collapse_map.lr_range, 3), boundary.critical_lr
                ),
                _number(interval or "–", boundary.band_lr and boundary.band_lr[0]),
                _number(describe_bracket(boundary), boundary.last_healthy_lr),
                _number(str(counts.finished), counts.finished),
                _number(f"{counts.trial_steps:,}", counts.trial_steps),
            )
        )
    headings = (
        "Slice",
        "Critical learning rate",
        "95 % band",
        "Last all healthy → first all collapsed",
        "Trials",
        "Trial-steps",
    )
    return Table(headings, tuple(rows))


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
            cells.append(_number(text, boundary.critical_lr))
        rows.append(tuple(cells))
    return Table(tuple(headings), tuple(rows))


def tabulate_best(ranking: Ranking) -> Table:
    """Return the best points, with the spread over seeds."""
    metric = name_metric(ranking.metric)
    rows = tuple(
        (
            _number(str(place), place),
            _text(describe_point(each.point)),
            _number(format_number(each.mean, 4), each.mean),
            _number(f"{format_number(each.low, 4)} to {format_number(each.high, 4)}", each.low),
            _number(str(each.trials), each.trials),
            _number(str(each.collapsed), each.collapsed),
        )
        for place, each in enumerate(ranking.points[:MOST_BEST], start=1)
    )
    headings = ("Place", "Point", f"Mean {metric}", "Over seeds", "Seeds", "Of them collapsed")
    notes = []
    if len(ranking.points) > MOST_BEST:
        notes.append(
            f"The best {MOST_BEST} of {len(ranking.points)} points; all are in trials.csv."
        )
    if ranking.unmeasured:
        notes.append(f"{ranking.unmeasured} finished trials have no {metric} (diverged).")
    return Table(headings, rows, " ".join(notes))


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
        name_metric(collapse_map.study.collapse.metric).capitalize(),
        "Steps",
        "Decided early",
        "Seconds",
    )
    note = f"The first {most:,} of {len(ordered):,} trials; all are in trials.csv."
    rows = tuple(_trial_row(record) for record in ordered[:most])
    return Table(headings, rows, note if len(ordered) > most else "")


def list_facts(
    collapse_map: CollapseMap, records: Sequence[TrialRecord]
) -> tuple[tuple[str, str], ...]:
    """Return what the study cost, as names and values."""
    counts = collapse_map.counts
    seconds = sum(sorted(record.outcome.seconds for record in records if record.outcome))
    facts = [
        ("Trials finished", f"{counts.finished:,}"),
        ("Trials still to run", f"{counts.not_finished:,}"),
        ("Trials missing (failed)", f"{counts.missing:,}"),
        ("Trial-steps", f"{counts.trial_steps:,}"),
        ("Training time, all trials", f"{format_number(seconds, 3)} s"),
        ("Trials decided early", f"{counts.decided_early:,}"),
    ]
    if collapse_map.off_slice:
        facts.append(("Trials between the slices", f"{collapse_map.off_slice:,}"))
    return tuple(facts)


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


def _trial_row(record: TrialRecord) -> tuple[Cell, ...]:
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
        _number(format_number(outcome.score, 3) if has_score else "–", outcome.score),
        _number(str(outcome.steps_done), outcome.steps_done),
        _text("yes" if outcome.decided_early else "no"),
        _number(format_number(outcome.seconds, 2), outcome.seconds),
    )


def _text(text: str) -> Cell:
    return Cell(text, text)


def _number(text: str, value: float | None) -> Cell:
    return Cell(text, "" if value is None else value)
