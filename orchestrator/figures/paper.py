"""The paper of a printed column: 8 pt, 300 dpi, no title, equal bytes for equal data."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import matplotlib as mpl
import pandas as pd
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from orchestrator.figures.kind import FigureFormat
from orchestrator.report.canvas import STYLE

DPI = 300
POINTS = 8
SMALL_POINTS = 7

PAPER: Any = STYLE | {
    "font.size": POINTS,
    "axes.titlesize": POINTS,
    "axes.titleweight": "normal",
    "axes.labelsize": POINTS,
    "xtick.labelsize": SMALL_POINTS,
    "ytick.labelsize": SMALL_POINTS,
    "legend.fontsize": SMALL_POINTS,
    "legend.handlelength": 1.6,
    "legend.columnspacing": 1.0,
    "legend.handletextpad": 0.5,
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "grid.linewidth": 0.4,
    "lines.linewidth": 1.1,
    "lines.markersize": 3.0,
    "pdf.fonttype": 42,  # journals refuse Type 3 fonts
    "svg.fonttype": "none",
    "svg.hashsalt": "rankfall",
}


@dataclass(frozen=True, slots=True)
class PaperFigure:
    """A figure that is drawn from its table alone.

    Attributes:
        data: What is drawn, a row a mark: the CSV beside the figure.
        height: Height of the figure for a width of 1.
        draw: Draws the data into an empty figure.
    """

    data: pd.DataFrame
    height: float
    draw: Callable[[Figure, pd.DataFrame], None]


def render(paper: PaperFigure, form: FigureFormat, width_inches: float) -> bytes:
    """Return the figure in a format, exactly so wide."""
    with _styled(width_inches, paper.height * width_inches) as figure:
        paper.draw(figure, paper.data)
        buffer = BytesIO()
        dates: dict[FigureFormat, dict[str, None]] = {
            FigureFormat.PDF: {"CreationDate": None},
            FigureFormat.SVG: {"Date": None},
            FigureFormat.PNG: {"Software": None},
        }
        figure.savefig(buffer, format=form.value, dpi=DPI, facecolor="white", metadata=dates[form])
        return buffer.getvalue()


@contextmanager
def _styled(width: float, height: float) -> Iterator[Figure]:
    with mpl.rc_context(PAPER):
        figure = Figure(figsize=(width, height), dpi=DPI, layout="constrained")
        FigureCanvasAgg(figure)
        yield figure
