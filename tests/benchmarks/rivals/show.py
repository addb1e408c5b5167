"""The boundary benchmark's results as a table and as a picture."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter
from rich.console import Console
from rich.table import Table

from tests.benchmarks.rivals.method import Method

COLUMNS = 5


def print_table(rows: Sequence[dict[str, Any]]) -> None:
    """Print one line per cell and method: the error at every budget."""
    budgets = sorted({row["budget"] for row in rows})
    table = Table("world", "axes", "method", *(f"at {budget}" for budget in budgets))
    keys = dict.fromkeys((row["world"], row["axes"], row["method"]) for row in rows)
    errors = {(r["world"], r["axes"], r["method"], r["budget"]): _say(r) for r in rows}
    for world, axes, method in keys:
        cells = [errors.get((world, axes, method, budget), "") for budget in budgets]
        name = f"[bold]{method}[/]" if method == Method.OURS.value else method
        table.add_row(world, str(axes), name, *cells)
    Console().print(table)


def print_goals(goals: Sequence[dict[str, Any]]) -> None:
    """Print every goal, missed ones in red."""
    for goal in goals:
        colour, word = ("green", "met") if goal["met"] else ("red", "missed")
        Console().print(
            f"[{colour}]{word}[/] {goal['goal']}: {goal['value']} (limit {goal['limit']})",
            highlight=False,
        )


def _say(row: dict[str, Any]) -> str:
    se = "" if row["error_se"] is None else f" ± {row['error_se']:.4f}"
    return f"{row['error']:.4f}{se}"


def draw(rows: Sequence[dict[str, Any]], path: Path) -> None:
    """Draw error against trial-steps, one panel a cell, every method a line."""
    from matplotlib import pyplot as plt  # noqa: PLC0415 (a second, for the plot alone)

    cells = list(dict.fromkeys((row["world"], row["axes"]) for row in rows))
    wide = min(len(cells), COLUMNS)
    high = -(-len(cells) // wide)
    figure, panels = plt.subplots(
        high, wide, figsize=(3.6 * wide, 3.0 * high), squeeze=False, layout="constrained"
    )
    for panel in panels.flat[len(cells) :]:
        panel.set_axis_off()
    for panel, cell in zip(panels.flat, cells, strict=False):
        _draw_cell(panel, [row for row in rows if (row["world"], row["axes"]) == cell])
    handles = {
        label: handle
        for panel in panels.flat
        for handle, label in zip(*panel.get_legend_handles_labels(), strict=True)
    }
    figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=2 * wide)
    figure.savefig(path, dpi=130)
    plt.close(figure)


def _draw_cell(panel: Any, rows: Sequence[dict[str, Any]]) -> None:
    for i, method in enumerate(m.value for m in Method):
        line = sorted((r for r in rows if r["method"] == method), key=lambda r: r["trial_steps"])
        if not line:
            continue
        is_ours = method == Method.OURS.value
        panel.errorbar(
            [row["trial_steps"] for row in line],
            [row["error"] for row in line],
            [row["error_se"] or 0.0 for row in line],
            label=method,
            color="black" if is_ours else f"C{i}",
            linewidth=2.4 if is_ours else 1.2,
            marker="o" if is_ours else ".",
            zorder=3 if is_ours else 2,
        )
    panel.set(xscale="log", yscale="log", title=f"{rows[0]['world']}, {rows[0]['axes']} axes")
    spans_decades = max(r["trial_steps"] for r in rows) > 30 * min(r["trial_steps"] for r in rows)
    panel.xaxis.set_major_locator(LogLocator(subs=(1.0,) if spans_decades else (1.0, 2.0, 5.0)))
    panel.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    panel.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    panel.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    for axis in (panel.xaxis, panel.yaxis):
        axis.set_minor_formatter(NullFormatter())
    panel.set_xlabel("trial-steps")
    panel.set_ylabel("error of log10 lr (decades)")
    panel.grid(alpha=0.3, which="both")
