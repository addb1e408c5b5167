"""Which methods meet in which cells, and the two processes that let them.

The cells are chosen so that a full run takes about a quarter of an hour on two quiet cores.
"""

import os
from collections import defaultdict
from collections.abc import Iterator, Sequence
from multiprocessing import get_context

from orchestrator.planners.world_kind import WorldKind
from tests.benchmarks.rivals.contest import GRID_BUDGET, Score, Task, compete, summarise
from tests.benchmarks.rivals.lab import Cell
from tests.benchmarks.rivals.method import Method

SEEDS, PROCESSES = 20, 2
BUDGETS = (24, 48, 96, 192)
WORLDS = (WorldKind.SMOOTH, WorldKind.KINKED, WorldKind.NOISY, WorldKind.LAPSES)
CELLS = (
    *(Cell(world, 0) for world in (WorldKind.SMOOTH, WorldKind.NOISY, WorldKind.LAPSES)),
    *(Cell(world, axes) for axes in (1, 2) for world in WORLDS),
    Cell(WorldKind.CLIFF, 1),
    *(Cell(WorldKind.SMOOTH, axes, has_categories=True) for axes in (1, 2)),
)
SLOW_CELLS = (Cell(WorldKind.SMOOTH, 1), Cell(WorldKind.SMOOTH, 2))
QUICK_CELLS = (Cell(WorldKind.SMOOTH, 1), Cell(WorldKind.LAPSES, 1))
SLOW = (Method.GP_SAMPLER, Method.AEPSYCH)


def run(is_quick: bool, only: str) -> Iterator[dict[str, object]]:
    """Yield one object per cell, method and budget, cell by cell."""
    tasks = [task for task in plan(is_quick) if only in f"{task.cell.name} {task.method.value}"]
    with get_context("spawn").Pool(PROCESSES) as pool:
        for cell in dict.fromkeys(task.cell for task in tasks):
            mine = [task for task in tasks if task.cell == cell]
            scores = [s for found in pool.map(compete, mine, chunksize=1) for s in found]
            yield from _summarise(scores)


def plan(is_quick: bool) -> list[Task]:
    """Return every contest; the longest of a cell first."""
    if is_quick:
        methods = [method for method in Method if method not in (*SLOW, Method.FULL_GRID)]
        return [Task(c, m, s, (24, 48)) for c in QUICK_CELLS for m in methods for s in range(3)]
    return [
        Task(cell, method, seed, budgets)
        for cell in CELLS
        for method in Method
        for seed in range(SEEDS)
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


def _summarise(scores: Sequence[Score]) -> Iterator[dict[str, object]]:
    groups: dict[tuple[Method, int], list[Score]] = defaultdict(list)
    for score in scores:
        groups[score.task.method, score.budget].append(score)
    for group in groups.values():
        yield summarise(group)
