"""``rankfall compare``: arms of studies against the first of them, on paired seeds."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from orchestrator.command_results import open_ledger
from orchestrator.compare.arm import StudyArm, parse_arm, resolve_arm
from orchestrator.compare.compare import Comparison, Direction, compare_arms
from orchestrator.errors import CompareError
from orchestrator.ledger import Ledger
from orchestrator.power import ALPHA
from orchestrator.record import TrialRecord
from orchestrator.report.wording import format_number
from search_spaces.claim import THRESHOLD_MEASURES, check_measure
from search_spaces.study import LR, Question

_STYLES = {
    Direction.HIGHER: "bold green",
    Direction.LOWER: "bold magenta",
    Direction.UNDECIDED: "yellow",
}
_FARTHEST = 99.0
"""Decades: an interval of three seeds may reach beyond what a float holds."""


def compare_studies(
    texts: Sequence[str],
    measures: Sequence[str],
    results: Path,
    power: float,
    difference: float | None,
) -> list[Comparison]:
    """Return every arm but the first against the first.

    Args:
        texts: Arms as written; see ``orchestrator.compare.arm``.
        measures: Names; without any, those that the first arm's study is about.
        results: The folder of the studies that are no paths.
        power: What the seeds are counted for.
        difference: The difference that they shall find; default: the one found.

    Raises:
        LedgerError: If there is no such study.
        CompareError: If an arm or a measure is not one, or the arms are not paired.
    """
    if len(texts) < 2:
        raise CompareError(f"expected two arms or more, got {len(texts)}: {', '.join(texts)}")
    arms = find_arms(texts, results)
    chosen = [_check(measure) for measure in measures] or _choose_measures(arms[0])
    if difference is not None and len(chosen) != 1:
        raise CompareError(
            f"--difference is in a measure's unit: expected one --measure, got {', '.join(chosen)}"
        )
    if difference == 0:
        raise CompareError("--difference: expected a difference other than 0, which none can find")
    return compare_arms(arms, chosen, power, difference)


def find_arms(texts: Sequence[str], results: Path) -> list[StudyArm]:
    """Return arms with their trials; every ledger is read once."""
    opened: dict[str, tuple[Ledger, list[TrialRecord]]] = {}
    arms, previous = [], ""
    for written in texts:
        text = parse_arm(written, previous)
        if text.study not in opened:
            ledger = open_ledger(text.study, results)
            opened[text.study] = (ledger, ledger.records())
        ledger, records = opened[text.study]
        arms.append(resolve_arm(text, ledger.study, records, ledger.provenance))
        previous = text.study
    return arms


def _check(measure: str) -> str:
    try:
        return check_measure(measure)
    except ValueError as error:
        raise CompareError(f"--measure {measure}: {error}") from error


def _choose_measures(arm: StudyArm) -> list[str]:
    """Return what a study is about: its threshold, its best, or rank and utility."""
    study = arm.study
    if study.question is Question.BOUNDARY and LR not in arm.at:
        return ["critical_lr"]
    if study.optimise is not None:
        return [study.optimise.metric]
    return [study.collapse.metric, study.collapse.utility]


def to_content(comparisons: Sequence[Comparison]) -> list[dict[str, Any]]:
    """Return comparisons as plain data, for ``--json``; numbers as they are."""
    return [{**dataclasses.asdict(one), "direction": one.direction.value} for one in comparisons]


def to_table(comparisons: Sequence[Comparison], power: float) -> RenderableType:
    """Return a table for each measure, with what its columns mean below it."""
    parts: list[RenderableType] = []
    for measure in dict.fromkeys(one.reading.measure for one in comparisons):
        shown = [one for one in comparisons if one.reading.measure == measure]
        level = _say_level(shown[0], fmean(shown[0].reading.first))
        title = f"{measure}, against {shown[0].baseline} ({level}) on paired seeds"
        parts += [Text(title, style="bold"), _tabulate(shown), Text()]
    return Group(*parts, *map(Text, _footnotes(comparisons, power)))


def _tabulate(comparisons: Sequence[Comparison]) -> Table:
    table = Table(box=None, padding=(0, 1, 0, 0))  # 80 columns hold it
    table.add_column("arm", overflow="fold", min_width=12)
    for name in ("", "diff", "95 %", "p Holm", "d_z", "above", "need"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    for one in comparisons:
        table.add_row(*map(Text, _cells(one)), Text(one.direction, style=_STYLES[one.direction]))
    return table


def _cells(one: Comparison) -> tuple[str, ...]:
    interval = "-"
    if one.low is not None and one.high is not None:
        ends = (_say(one, end).lstrip("×+") for end in (one.low, one.high))
        interval = f"[{', '.join(ends)}]"
    return (
        _shorten(one),
        _say_level(one, fmean(one.reading.second)),
        _say(one, one.difference),
        interval,
        f"{one.p_holm:.2g}",
        "-" if one.effect is None else f"{one.effect:+.2f}",
        f"{one.above}/{len(one.reading.seeds)}",
        "-" if one.seeds_needed is None else f"{one.seeds_needed:,}",
    )


def _shorten(one: Comparison) -> str:
    """Return the arm's name, without its study where that is the baseline's."""
    study, _, listed = one.arm.partition(":")
    return f":{listed}" if listed and study == one.baseline.partition(":")[0] else one.arm


def _is_factor(one: Comparison) -> bool:
    return one.reading.measure in THRESHOLD_MEASURES


def _say(one: Comparison, value: float) -> str:
    """Return a difference: a factor for decades of learning rate."""
    if _is_factor(one):
        return f"×{10 ** min(max(value, -_FARTHEST), _FARTHEST):.2g}"
    return f"{value:+.2g}"


def _say_level(one: Comparison, value: float) -> str:
    return f"{10**value:.3g}" if _is_factor(one) else format_number(value, 3)


def _footnotes(comparisons: Sequence[Comparison], power: float) -> list[str]:
    notes = [
        f"diff: arm minus baseline, mean over seeds{_say_factors(comparisons)}; 95 %: "
        "bootstrap-t over seeds; p: exact sign flips, two-sided; Holm: p corrected for all "
        f"{len(comparisons)} comparisons shown. Higher or lower where that is below {ALPHA:g} and "
        "the interval excludes no difference.",
        "d_z: mean difference over the differences' standard deviation (0.2 small, 0.5 medium, "
        "0.8 large, says Cohen). above: seeds in which the arm lies above the baseline.",
        f"need: seeds for a power of {power:g}, two-sided at {ALPHA:g}, uncorrected.",
    ]
    for one in comparisons:
        reading = one.reading
        own = [*one.notes]
        if reading.cells > 1:
            own.append(f"each number is the mean of {reading.cells} settings")
        if reading.censored:
            own.append(
                f"{reading.censored} of {reading.thresholds} critical learning rates lie beyond "
                "the studied range and were taken to be its end"
            )
        if reading.dropped:
            own.append(f"{reading.dropped} seeds left out: a trial is missing or has no measure")
        notes += [f"{one.arm}, {reading.measure}: {'; '.join(own)}."] if own else []
    return list(dict.fromkeys(notes))


def _say_factors(comparisons: Sequence[Comparison]) -> str:
    has_factors = any(map(_is_factor, comparisons))
    return " (of log10, shown as a factor, for a critical learning rate)" if has_factors else ""
