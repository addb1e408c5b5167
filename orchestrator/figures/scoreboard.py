"""scoreboard: what claims came to, each by its contrasts in units of their half-intervals.

``place`` is (mean - target) over half the 95 % interval, positive on the side that the claim
says; of several contrasts the least. Beyond 1 the interval excludes the target.
"""

from collections.abc import Sequence

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from orchestrator.claims.figures import COLOURS, MARKS, place_result
from orchestrator.claims.result import ClaimVerdict
from orchestrator.claims.scoreboard import Row
from orchestrator.errors import FigureError
from orchestrator.figures.paper import PaperFigure
from orchestrator.report.palette import GRID, INK


def make_scoreboard(name: str, rows: Sequence[Row]) -> PaperFigure:
    """Return the claims that have a result.

    Raises:
        FigureError: If none has.
    """
    table = [
        {
            "claim": row.claim.claim,
            "paper": row.claim.paper,
            "place": place_result(row.result),
            "verdict": row.result.verdict.value,
            "p_holm": row.result.p_holm,
        }
        for row in rows
        if row.result is not None
    ]
    if not table:
        raise FigureError(f"{name} decides no claim; 'rankfall claims run' makes results")
    return PaperFigure(pd.DataFrame(table), 0.3 + 0.065 * len(table), _draw)


def _draw(figure: Figure, data: pd.DataFrame) -> None:
    axes = figure.subplots()
    axes.axvspan(-1, 1, color=GRID, alpha=0.6, zorder=0)
    axes.axvline(0, color=INK, lw=0.8)
    heights = range(len(data) - 1, -1, -1)
    for height, place, verdict in zip(heights, data["place"], data["verdict"], strict=True):
        kind = ClaimVerdict(verdict)
        axes.plot([place], [height], marker=MARKS[kind], color=COLOURS[kind], ms=5)
    axes.set_yticks(list(heights), data["claim"])
    axes.set_ylim(-0.6, len(data) - 0.4)
    axes.set_xlim(-6.5, 6.5)
    axes.set_xlabel("against  |  half-intervals  |  for")
    handles = [
        Line2D([], [], color=COLOURS[v], marker=MARKS[v], ls="", label=str(v))
        for v in ClaimVerdict
        if v.value in set(data["verdict"])
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=2)
