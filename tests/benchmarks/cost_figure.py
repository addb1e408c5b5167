"""Cost against size as a picture: one panel a series, sizes on a logarithmic axis."""

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.ticker import StrMethodFormatter

from tests.benchmarks.scaling import Cost


def draw_costs(costs: Sequence[Cost], path: Path) -> None:
    """Draw milliseconds for one against how many there are; flat is linear, falling is better."""
    series = [(name, list(group)) for name, group in groupby(costs, key=lambda cost: cost.series)]
    with mpl.rc_context({"font.size": 8}):
        figure = Figure(figsize=(2.6 * len(series), 2.6), layout="constrained")
        for axes, (name, group) in zip(figure.subplots(1, len(series)), series, strict=True):
            axes.semilogx([c.size for c in group], [c.milliseconds_each for c in group], "o-", ms=3)
            varied, _, detail = name.partition(" (")
            axes.set_title(detail.rstrip(")"), fontsize="small")
            axes.set(xlabel=varied, ylabel="ms for one")
            axes.set_ylim(0.0, 1.08 * max(c.milliseconds_each for c in group))
            axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
            axes.grid(alpha=0.3)
        figure.savefig(path, dpi=150)
