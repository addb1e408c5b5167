"""Tables of what was found beside the boundary: residuals from theory, alignment, importance."""

from collections.abc import Sequence

from orchestrator.audit.number import Family, identify
from orchestrator.report.alignment import Alignment, measures_of
from orchestrator.report.html_tables import Cell, Table
from orchestrator.report.importance import Importance
from orchestrator.report.theory import LINES, Fit, Residual
from orchestrator.report.wording import begin, describe_point, format_number, name_axis, name_metric
from search_spaces.point import Point
from search_spaces.study import Study


def tabulate_residuals(study: Study, fits: Sequence[Fit]) -> Table:
    """Return one row a slice that has a critical learning rate, along the temperature."""
    headings = ["Slice", "Critical learning rate / temperature"]
    headings += [f"Decades above {name}" for name, _ in LINES]
    rows = [_residual_row(study, residual) for fit in fits for residual in fit.residuals]
    return Table(tuple(headings), tuple(rows))


def tabulate_fits(study: Study, fits: Sequence[Fit]) -> Table:
    """Return one row for all temperatures together: slope, and distance from each line."""
    headings = ["Over all temperatures", "Slope of log rate over log temperature (theory: 1)"]
    headings += [f"Root mean square decades from {name}" for name, _ in LINES]
    return Table(tuple(headings), tuple(_fit_row(study, fit) for fit in fits))


def tabulate_alignment(study: Study, alignments: tuple[Alignment, ...]) -> Table:
    """Return one row a setting, one column a measure: mean, lowest and highest seed."""
    measures = measures_of(alignments)
    found = {(each.point, each.measure): each for each in alignments}
    points = dict.fromkeys(each.point for each in alignments)
    rows = [
        (
            Cell(describe_point(point), describe_point(point)),
            *(_alignment_cell(study, point, m, found.get((point, m))) for m in measures),
        )
        for point in points
    ]
    headings = ("Setting", *(begin(name_metric(measure)) for measure in measures))
    return Table(headings, tuple(rows))


def tabulate_importance(study: Study, ranked: Sequence[Importance]) -> Table:
    """Return one row an axis."""
    rows = tuple(
        (
            Cell(name_axis(each.path), name_axis(each.path)),
            Cell(
                f"{100 * each.share:.1f} %",
                each.share,
                identify(study, Family.IMPORTANCE, each.path),
            ),
        )
        for each in ranked
    )
    return Table(("Axis", "Share of importance"), rows)


def _residual_row(study: Study, residual: Residual) -> tuple[Cell, ...]:
    point = residual.slice_map.point
    factor = (
        f"{format_number(residual.factor, 3)} "
        f"[{format_number(residual.low)}, {format_number(residual.high)}]"
    )
    number = identify(study, Family.RESIDUAL, point.key, "factor")
    cells = [
        Cell(describe_point(point), describe_point(point)),
        Cell(factor, residual.factor, number),
    ]
    for (name, _), value in zip(LINES, residual.decades, strict=True):
        number = identify(study, Family.RESIDUAL, point.key, name)
        cells.append(Cell(f"{value:+.2f}", value, number))
    return tuple(cells)


def _fit_row(study: Study, fit: Fit) -> tuple[Cell, ...]:
    where = describe_point(fit.point)
    slope = "–" if fit.slope is None else f"{fit.slope:.2f}"
    parts = (Family.RESIDUAL, "fit", fit.point.key)
    cells = [Cell(where, where), Cell(slope, fit.slope or "", identify(study, *parts, "slope"))]
    for (name, _), value in zip(LINES, fit.spread, strict=True):
        cells.append(Cell(f"{value:.2f}", value, identify(study, *parts, name)))
    return tuple(cells)


def _alignment_cell(study: Study, point: Point, measure: str, found: Alignment | None) -> Cell:
    if found is None:
        return Cell("–", "")
    spread = f" [{format_number(found.low, 3)}, {format_number(found.high, 3)}]"
    text = format_number(found.mean, 3) + (spread if len(found.trials) > 1 else "")
    return Cell(text, found.mean, identify(study, Family.ALIGNMENT, point.key, measure))
