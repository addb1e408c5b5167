"""Which methods meet in which cells, and the two processes that let them.

The cells are chosen so that the rivals take about an hour of CPU, half of it in the smooth cells.
"""

import os
from collections import defaultdict
from collections.abc import Iterator, Sequence
from multiprocessing import get_context
from typing import Any

from orchestrator.planners.world_kind import WorldKind
from tests.benchmarks.rivals.contest import GRID_BUDGET, Score, Task, compete, summarise
from tests.benchmarks.rivals.lab import Cell
from tests.benchmarks.rivals.method import Method

SEEDS, PROCESSES = 20, 2
SEEDS_OF_ONE_SLICE = 60  # each world of a cell without axes gives one error, not 11 or 121
BUDGETS = (24, 48, 96, 192)
WORLDS = (WorldKind.SMOOTH, WorldKind.KINKED, WorldKind.NOISY, WorldKind.LAPSES)
CELLS = (
    *(Cell(world, 0) for world in (WorldKind.SMOOTH, WorldKind.NOISY, WorldKind.LAPSES)),
    *(Cell(world, axes) for axes in (1, 2) for world in WORLDS),
    Cell(WorldKind.CLIFF, 1),
    *(Cell(WorldKind.UNEVEN, axes) for axes in (1, 2)),
    *(Cell(WorldKind.SMOOTH, axes, has_categories=True) for axes in (1, 2)),
)
SLOW_CELLS = (Cell(WorldKind.SMOOTH, 1), Cell(WorldKind.SMOOTH, 2))
QUICK_CELLS = (Cell(WorldKind.SMOOTH, 1), Cell(WorldKind.LAPSES, 1))
SLOW = (Method.GP_SAMPLER, Method.AEPSYCH)
FAST = tuple(method for method in Method if method not in SLOW)

Row = dict[str, Any]


def run(
    tasks: Sequence[Task], rows: Sequence[Row] = (), processes: int = PROCESSES
) -> Iterator[Row]:
    """Yield one object per cell, method and budget, method by method as they end.

    Args:
        tasks: The contests.
        rows: What earlier runs yielded; their contests are not held again.
        processes: How many contests at a time.
    """
    done = {name_of(row) for row in rows}
    open_tasks = [task for task in tasks if _name(task) not in done]
    with get_context("spawn").Pool(processes) as pool:
        for pair in dict.fromkeys((task.cell, task.method) for task in open_tasks):
            mine = [task for task in open_tasks if (task.cell, task.method) == pair]
            scores = [s for found in pool.map(compete, mine, chunksize=1) for s in found]
            yield from _summarise(scores)


def name_of(row: Row) -> tuple[object, object, object]:
    """Return the world, axes and method of a row."""
    return row["world"], row["axes"], row["method"]


def _name(task: Task) -> tuple[object, object, object]:
    return task.cell.name, task.cell.axes, task.method.value


def plan(is_quick: bool) -> list[Task]:
    """Return every contest, those of slow methods last."""
    if is_quick:
        methods = [method for method in Method if method not in (*SLOW, Method.FULL_GRID)]
        return [Task(c, m, s, (24, 48)) for c in QUICK_CELLS for m in methods for s in range(3)]
    return [
        Task(cell, method, seed, budgets)
        for method_group in (FAST, SLOW)
        for cell in CELLS
        for method in method_group
        for seed in range(SEEDS if cell.dimensions > 1 else SEEDS_OF_ONE_SLICE)
        if (budgets := _budgets(cell, method))
    ]


def _budgets(cell: Cell, method: Method) -> tuple[int, ...]:
    if method is Method.GP_SAMPLER:
        return (24, 48, 96) if cell in SLOW_CELLS else ()
    if method is Method.AEPSYCH:
        return (24, 48) if cell in SLOW_CELLS and "AEPSYCH_PYTHON" in os.environ else ()
    if method is Method.FULL_GRID:
        return (GRID_BUDGET,) if cell == Cell(WorldKind.SMOOTH, 2) else ()
    return BUDGETS


def _summarise(scores: Sequence[Score]) -> Iterator[Row]:
    groups: dict[tuple[Method, int], list[Score]] = defaultdict(list)
    for score in scores:
        groups[score.task.method, score.budget].append(score)
    for group in groups.values():
        yield summarise(group)
