"""What the boundary benchmark must show, checked against its own rows."""

from collections.abc import Sequence
from typing import Any

from tests.benchmarks.rivals.method import Method

ERROR_GOAL = 0.025  # decades, two axes, smooth
TRIALS_SHARE, STEPS_SHARE = 1 / 12, 1 / 4  # of the full grid's
LAPSES_SHARE = 0.5  # of bisection's error at 96 trials

Rows = Sequence[dict[str, Any]]


def check_goals(rows: Rows) -> list[dict[str, Any]]:
    """Return every goal that the rows can decide: ``goal``, ``value``, ``limit``, ``met``."""
    return [*_against_grid(rows), *_against_bisection(rows), *_against_best_peer(rows)]


def _against_grid(rows: Rows) -> list[dict[str, Any]]:
    grid = _of(rows, method=Method.FULL_GRID.value)
    if not grid:
        return []
    ours = [
        row
        for row in _of(rows, world="smooth", axes=2, method=Method.OURS.value)
        if row["trials"] <= TRIALS_SHARE * grid[0]["trials"]
        and row["trial_steps"] <= STEPS_SHARE * grid[0]["trial_steps"]
    ]
    best = min(ours, key=lambda row: float(row["error"]), default=None)
    value = None if best is None else best["error"]
    return [
        {
            "goal": "2 axes smooth: error with 1/12 of the grid's trials, 1/4 of its steps",
            "value": value,
            "limit": ERROR_GOAL,
            "met": value is not None and value <= ERROR_GOAL,
        }
    ]


def _against_bisection(rows: Rows) -> list[dict[str, Any]]:
    goals = []
    for peer in _of(rows, world="lapses", budget=96, method=Method.BISECTION.value):
        ours = _of(rows, world="lapses", budget=96, axes=peer["axes"], method=Method.OURS.value)
        if ours:
            limit = round(LAPSES_SHARE * peer["error"], 5)
            goals.append(
                {
                    "goal": f"5 % lapses, {peer['axes']} axes: half of bisection's error at 96",
                    "value": ours[0]["error"],
                    "limit": limit,
                    "met": ours[0]["error"] <= limit,
                }
            )
    return goals


def _against_best_peer(rows: Rows) -> list[dict[str, Any]]:
    """Not worse than the best rival by more than the standard error of its mean."""
    goals = []
    for ours in _of(rows, method=Method.OURS.value):
        same = _of(rows, world=ours["world"], axes=ours["axes"], budget=ours["budget"])
        peers = [row for row in same if row["method"] != Method.OURS.value]
        if not peers:
            continue
        best = min(peers, key=lambda row: float(row["error"]))
        limit = round(best["error"] + (best["error_se"] or 0.0), 5)
        where = f"{ours['world']}, {ours['axes']} axes, {ours['budget']}"
        goals.append(
            {
                "goal": f"{where}: best rival ({best['method']}) + its standard error",
                "value": ours["error"],
                "limit": limit,
                "met": ours["error"] <= limit,
            }
        )
    return goals


def _of(rows: Rows, **wanted: object) -> list[dict[str, Any]]:
    return [row for row in rows if all(row[key] == value for key, value in wanted.items())]
