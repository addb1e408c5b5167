"""The map in the terminal: a compact table while a study runs, and a summary at its end.

Everything is handed to rich as :class:`rich.text.Text`, so square brackets of a band, or of a
value in a study, are never read as markup.
"""

from collections.abc import Sequence
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from orchestrator.collapse_map import CollapseMap, SliceMap, build_map
from orchestrator.planners.threshold import Verdict
from orchestrator.record import TrialRecord
from orchestrator.report.answer import answer_question
from orchestrator.report.best import rank_points
from orchestrator.report.html_tables import describe_audit
from orchestrator.report.layout import Layout, lay_out
from orchestrator.report.wording import (
    describe_critical_lr,
    describe_interval,
    describe_point,
    format_number,
    format_value,
    name_metric,
)
from search_spaces.study import Question, Study

MOST_ROWS = 40
MOST_BEST = 8


def map_so_far(study: Study, records: Sequence[TrialRecord]) -> RenderableType:
    """Return the map of what has finished: a row a slice, or the best points of ``optimise``."""
    return _show(build_map(study, records, at_study_level_only=True))


def summarise(
    study: Study, records: Sequence[TrialRecord], files: Sequence[Path] = ()
) -> RenderableType:
    """Return the answer, the map, what it cost, and where the report lies."""
    collapse_map = build_map(study, records, at_study_level_only=True)
    answer, counts = answer_question(collapse_map), collapse_map.counts
    parts: list[RenderableType] = [Text(answer.question, style="bold")]
    parts += [Text(sentence) for sentence in answer.sentences]
    if answer.open_points:
        parts.append(Text(answer.open_points, style="yellow"))
    parts += [Text(), _show(collapse_map), Text()]
    parts.append(
        Text(
            f"{counts.finished:,} trials, {counts.trial_steps:,} trial-steps, "
            f"{counts.decided_early:,} decided early. {describe_audit(collapse_map)}"
        )
    )
    parts += [Text(str(path), style="cyan") for path in files]
    return Group(*parts)


def _show(collapse_map: CollapseMap) -> RenderableType:
    if collapse_map.study.question is Question.OPTIMISE or not collapse_map.slices:
        return _show_best(collapse_map)
    layout, rule = lay_out(collapse_map), collapse_map.study.collapse
    is_grid = layout.horizontal is not None and 1 < len(layout.curves) <= 4
    table = _show_side_by_side(collapse_map, layout) if is_grid else _show_rows(collapse_map)
    title = f"Critical learning rate [95 % band] · trials ({name_metric(rule.metric)} below "
    return Group(Text(f"{title}{format_number(rule.below)})", style="bold"), table)


def _show_side_by_side(collapse_map: CollapseMap, layout: Layout) -> Table:
    """A row a value of the horizontal axis, a column a curve: the demo fits 80 columns."""
    assert layout.horizontal is not None
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column(Text(layout.horizontal.name), justify="right")
    for curve in layout.curves:
        table.add_column(Text(curve.label))
    slices = {s.point: s for s in collapse_map.slices}
    for value in layout.horizontal.values:
        cells = [
            _describe(collapse_map, slices[curve.point.replace(layout.horizontal.path, value)])
            for curve in layout.curves
        ]
        table.add_row(Text(format_value(value)), *cells)
    return table


def _show_rows(collapse_map: CollapseMap) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("slice")
    table.add_column("critical learning rate")
    for slice_map in collapse_map.slices[:MOST_ROWS]:
        table.add_row(Text(describe_point(slice_map.point)), _describe(collapse_map, slice_map))
    if len(collapse_map.slices) > MOST_ROWS:
        table.caption = Text(f"{len(collapse_map.slices) - MOST_ROWS} more slices in the report")
    return table


def _describe(collapse_map: CollapseMap, slice_map: SliceMap) -> Text:
    """Return ``3.1 [2.6, 3.9] · 24``: critical learning rate, band, finished trials."""
    assert collapse_map.lr_range is not None
    boundary = slice_map.boundary
    if boundary.verdict is Verdict.UNDECIDED:
        return Text(f"… · {boundary.trials}", style="dim")
    if boundary.verdict is Verdict.TRANSITION:
        lead = f"transition {describe_interval(boundary.band_lr)}"
    else:
        rate = describe_critical_lr(boundary, collapse_map.lr_range)
        lead = f"{rate} {describe_interval(boundary.band_lr)}".strip()
    return Text(lead).append(f" · {boundary.trials}", style="dim")


def _show_best(collapse_map: CollapseMap) -> RenderableType:
    ranking = rank_points(collapse_map)
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("point")
    table.add_column(Text(name_metric(ranking.metric)), justify="right")
    table.add_column("seeds", justify="right")
    for each in ranking.points[:MOST_BEST]:
        mean = format_number(each.mean, 4)
        table.add_row(Text(describe_point(each.point)), Text(mean), Text(str(each.trials)))
    if not ranking.points:
        table.add_row(Text("no measured trial yet", style="dim"), "", "")
    return Group(Text(f"Best points by {name_metric(ranking.metric)}", style="bold"), table)
