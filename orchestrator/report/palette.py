"""Colours and marks that survive colour blindness, grey print and dark projectors.

Regimes differ in colour *and* mark; curves differ in colour *and* dash. Colours follow Okabe &
Ito, "Color universal design" (2008), darkened where a thin line needs contrast on white.
"""

from dataclasses import dataclass

from trainer.collapse.regime import Regime


@dataclass(frozen=True, slots=True)
class Mark:
    """How trials of a regime are drawn: matplotlib's and plotly's names of the same mark."""

    colour: str
    matplotlib: str
    plotly: str
    is_filled: bool = True


MARKS: dict[Regime, Mark] = {
    Regime.HEALTHY: Mark("#56B4E9", "o", "circle"),
    Regime.UNDERTRAINED: Mark("#7F7F7F", "o", "circle-open", is_filled=False),
    Regime.DIMENSIONAL: Mark("#E69F00", "D", "diamond"),
    Regime.COMPLETE: Mark("#D55E00", "s", "square"),
    Regime.DIVERGED: Mark("#000000", "x", "x-thin", is_filled=False),
}

PRUNED = "ended early by the pruner"
PRUNED_MARKER = {
    "symbol": "triangle-down-open",
    "color": "#7F7F7F",
    "size": 6,
    "line": {"color": "#7F7F7F", "width": 1},
}
"""Plotly's marker of trials that a study's pruner ended: measured, but not to the end."""

CURVE_COLOURS = ("#0072B2", "#B2478A", "#00785A", "#8A5A00", "#5B4BB5", "#333333")
CURVE_DASHES = ("solid", "dash", "dashdot", "dot")
MATPLOTLIB_DASHES = ("-", "--", "-.", ":")

VIRIDIS = (
    "#440154",
    "#482878",
    "#3E4989",
    "#31678E",
    "#26828E",
    "#1E9C89",
    "#32B67A",
    "#69CD5B",
    "#B0DD2F",
)
"""Nine stops of matplotlib's viridis, without the palest eighth."""

HEALTHY_SHADES = ("#8CC4EA", "#3F93CF", "#0B4F8A")
"""Spectra and curves of trials that kept their rank, the darkest nearest to the boundary."""

COLLAPSED_SHADES = ("#F0A24A", "#D2600F", "#7E2A00")
"""Of trials that lost it, the lightest nearest to the boundary."""

INK = "#1B1F24"
GRID = "#D9DDE2"


def curve_colour(index: int) -> str:
    """Return the colour of the curve at ``index``, repeating after six."""
    return CURVE_COLOURS[index % len(CURVE_COLOURS)]


def curve_dash(index: int) -> str:
    """Return plotly's name of the dash at ``index``; colour and dash repeat after twelve."""
    return CURVE_DASHES[index % len(CURVE_DASHES)]


def sequential_colour(share: float) -> str:
    """Return a colour of viridis, dark blue at share 0 to yellow at share 1."""
    place = min(max(share, 0.0), 1.0) * (len(VIRIDIS) - 1)
    left = min(int(place), len(VIRIDIS) - 2)
    return _mix(VIRIDIS[left], VIRIDIS[left + 1], place - left)


def _mix(first: str, second: str, share: float) -> str:
    pairs = [(int(first[i : i + 2], 16), int(second[i : i + 2], 16)) for i in (1, 3, 5)]
    return "#" + "".join(f"{round(a + share * (b - a)):02X}" for a, b in pairs)
