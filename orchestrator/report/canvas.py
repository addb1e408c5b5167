"""The paper of every PNG: one style, no pyplot, no display, equal bytes for equal data."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from textwrap import wrap
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullLocator

from orchestrator.report.layout import Horizontal
from orchestrator.report.palette import GRID, INK
from orchestrator.report.wording import format_number

DPI = 150
WIDTH_INCHES = 9.0
MAX_PANELS = 9
PANEL_CHARACTERS = 24
WIDTH_CHARACTERS = 112
COLUMNS = 3

STYLE: Any = {  # matplotlib types the keys as one long Literal
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "axes.titlesize": 10.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 10,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "text.color": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "figure.titlesize": 12.5,
    "figure.titleweight": "bold",
    "hatch.linewidth": 0.5,
}


@contextmanager
def open_figure(height_inches: float, title: str) -> Iterator[Figure]:
    """Give a titled figure of README width; the style holds inside the ``with`` only."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH_INCHES, height_inches), dpi=DPI, layout="constrained")
        FigureCanvasAgg(figure)
        figure.suptitle(title, x=0.01, ha="left")
        yield figure


def to_png(figure: Figure) -> bytes:
    """Return the figure as PNG; without date or software version inside."""
    buffer = BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI, facecolor="white", metadata={"Software": None})
    return buffer.getvalue()


def use_log_rates(axis: Any) -> None:
    """Put a decade's tick on a learning-rate axis, written out: 0.01, 0.1, 1, 10, 100."""
    axis.set_major_locator(LogLocator(base=10))
    axis.set_major_formatter(FuncFormatter(lambda value, _: format_number(value)))
    axis.set_minor_locator(NullLocator())


def use_horizontal(axes: Axes, horizontal: Horizontal) -> None:
    """Scale and tick the axis that runs across; ticks at the slices when they are few."""
    if horizontal.log:
        axes.set_xscale("log")
    if len(horizontal.values) <= 7:
        axes.xaxis.set_major_locator(FixedLocator(horizontal.values))
        axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: format_number(value)))
    axes.set_xlim(*widen(horizontal, 0.07))
    axes.set_xlabel(horizontal.name)


def widen(horizontal: Horizontal, share: float) -> tuple[float, float]:
    """Return the axis' ends moved outwards by a share of its length."""
    return shift(horizontal, horizontal.low, -share), shift(horizontal, horizontal.high, share)


def shift(horizontal: Horizontal, value: float, share: float) -> float:
    """Return ``value`` moved to the right by a share of the axis' length."""
    low, high = horizontal.low, horizontal.high
    if horizontal.log:
        return float(value * (high / low) ** share)
    return value + share * (high - low)


def count_rows(panels: int) -> int:
    """Return how many rows of panels are needed."""
    return -(-panels // COLUMNS)


def title_panel(axes: Axes, label: str) -> None:
    """Name a panel; long names are broken into lines that a third of the width can hold."""
    axes.set_title("\n".join(wrap(label, PANEL_CHARACTERS)))


def count_columns(labels: Sequence[str], most: int) -> int:
    """Return how many legend columns the figure's width can hold."""
    if len(labels) <= most and sum(len(label) + 7 for label in labels) <= WIDTH_CHARACTERS + 12:
        return max(len(labels), 1)
    longest = max((len(label) for label in labels), default=0)
    return max(min(WIDTH_CHARACTERS // (longest + 9), most), 1)


def add_legend(figure: Figure, handles: Sequence[Line2D], most: int, notes: Sequence[str]) -> None:
    """Put the legend, below the notes on what is not drawn, under the panels."""
    columns = count_columns([str(handle.get_label()) for handle in handles], most)
    title = "; ".join(notes) or None
    figure.legend(
        handles=handles, loc="outside lower center", ncols=columns, title=title, title_fontsize=8.5
    )


def note_omitted(figure: Figure, notes: Sequence[str]) -> None:
    """Say at the lower edge what is not drawn."""
    if notes:
        figure.supxlabel("; ".join(notes), fontsize=8.5, x=0.01, ha="left")


def say_empty(axes: Axes, text: str) -> None:
    """Say in the middle of empty axes why they are empty."""
    axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", fontsize=11)
