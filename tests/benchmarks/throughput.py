"""Many trials for the price of a few: stacking, lanes and orchestration against what people run.

    python tests/benchmarks/throughput.py [--json] [--only WORD] [--plot FILE.png]

One JSON object a line with --json: ``name``, ``peer``, ``ratio`` and ``goal``; ``better``
says which side of the goal is good. Rows of ``cost`` compare the cost of one at a size with that
at the size before; the orchestration's largest sizes must cost no more each.
All in one run, about 25 minutes on two quiet cores; ``--only stacked`` takes seconds.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from tests.benchmarks.scaling import Cost

ROOT = Path(__file__).resolve().parents[2]

MINUTES = {"stacked": 0.5, "frozen": 1.5, "workers": 3, "overhead": 8, "cost": 12}
"""Rough shares of the whole run on two quiet cores, for the announcement of what is left."""


@dataclass(frozen=True, slots=True)
class Row:
    """One comparison; ``ratio`` is to be at least, or at most, ``goal``."""

    name: str
    peer: str
    ratio: float
    goal: float | None
    better: Literal["higher", "lower"]
    detail: str = ""

    @property
    def is_met(self) -> bool:
        """Whether the goal is reached; rows without one have nothing to miss."""
        if self.goal is None:
            return True
        return self.ratio >= self.goal if self.better == "higher" else self.ratio <= self.goal


def main() -> None:
    """Run the comparisons and print each as soon as it is there."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.add_argument("--only", default="", help="parts whose name contains this word")
    parser.add_argument("--plot", type=Path, help="write cost against size to this PNG")
    options = parser.parse_args()
    rows: list[Row] = []
    parts = {n: part for n, part in _parts(options.plot).items() if options.only in n}
    started = time.monotonic()
    for number, part in enumerate(parts.values()):
        _announce(list(parts), number, time.monotonic() - started)
        for row in part():
            rows.append(row)
            if options.json:
                print(json.dumps(asdict(row)), flush=True)
            else:
                print(f"{row.name}: {row.ratio:.3g}", file=sys.stderr, flush=True)
    if not options.json:
        print_table(rows)


def _announce(names: Sequence[str], number: int, elapsed: float) -> None:
    """Say on stderr which part comes, and how long the rest takes at the speed so far."""
    done, left = (sum(MINUTES[n] for n in some) for some in (names[:number], names[number:]))
    pace = max(1.0, elapsed / 60 / done) if done else 1.0
    print(
        f"[{number + 1}/{len(names)}] {names[number]}: {elapsed / 60:.1f} min gone, "
        f"about {left * pace:.0f} min left",
        file=sys.stderr,
        flush=True,
    )


def _parts(plot: Path | None) -> dict[str, Callable[[], Iterator[Row]]]:
    return {
        "stacked": compare_stacked,
        "frozen": compare_frozen_features,
        "workers": compare_lanes,
        "overhead": compare_overhead,
        "cost": lambda: tabulate_costs(plot),
    }


def compare_stacked() -> Iterator[Row]:
    """Yield members per second of a stack against plain models one after another."""
    from tests.benchmarks.stacking import LARGE, SMALL, TINY, compare_stacking  # noqa: PLC0415
    from trainer.allocator import keep_freed_memory  # noqa: PLC0415

    keep_freed_memory()  # as every worker of a lane does; the peer has it too

    for size, goal in ((TINY, 15.0), (SMALL, 1.8), (LARGE, 1.0)):
        name = f"{size.members} stacked members, {size.name}"
        peer = "nn.Sequential + torch.optim.SGD, one by one"
        yield Row(name, peer, compare_stacking(size), goal, "higher")


def compare_frozen_features() -> Iterator[Row]:
    """Yield heads on cached features against re-encoding at each step."""
    from tests.benchmarks.frozen import HEADS, compare_frozen  # noqa: PLC0415

    gain = compare_frozen()
    name = f"{HEADS} stacked heads on cached features of a frozen ResNet"
    yield Row(name, "re-encoding each step, head by head", gain.one_by_one, 20.0, "higher")
    yield Row(name, "re-encoding once a step for all heads", gain.shared, None, "higher")


def compare_lanes() -> Iterator[Row]:
    """Yield two workers against one."""
    from tests.benchmarks.workers import compare_workers  # noqa: PLC0415

    yield Row("2 workers, split by members", "1 worker", compare_workers(), 1.8, "higher")


def compare_overhead() -> Iterator[Row]:
    """Yield the overhead of a trial against the recipe in Ray's documentation."""
    from tests.benchmarks.overhead import measure_rankfall, measure_recipe  # noqa: PLC0415

    recipe = measure_recipe()
    for trials, goal in ((100, None), (1000, 1 / 500)):
        ours = measure_rankfall(trials)
        yield Row(
            f"overhead of a trial in a sweep of {trials:,}",
            "Tune function + TorchTrainer per trial + OptunaSearch + MLflow callback",
            ours.overhead_seconds / recipe.overhead_seconds,
            goal,
            "lower",
            f"{ours.overhead_seconds:.3f} s against {recipe.overhead_seconds:.1f} s",
        )


def tabulate_costs(plot: Path | None) -> Iterator[Row]:
    """Yield the cost of one against the size before, series by series."""
    from tests.benchmarks.scaling import (  # noqa: PLC0415
        cost_batches,
        cost_ledger,
        cost_members,
        cost_sweeps,
    )

    drawn: list[Cost] = []
    goals = {cost_members: None, cost_batches: None, cost_ledger: 1.1, cost_sweeps: 1.1}
    for series, goal in goals.items():
        costs = series()
        drawn += costs
        yield from _compare_sizes(costs, goal)
    if plot is not None:
        from tests.benchmarks.cost_figure import draw_costs  # noqa: PLC0415

        draw_costs(drawn, plot)


def _compare_sizes(costs: "Sequence[Cost]", goal: float | None) -> Iterator[Row]:
    for before, cost in zip([costs[0], *costs], costs, strict=False):
        is_last = cost is costs[-1]
        yield Row(
            f"{cost.series}: {cost.size:,}",
            f"{before.size:,}",
            cost.milliseconds_each / before.milliseconds_each,
            goal if is_last else None,
            "lower",
            f"{cost.milliseconds_each:.3g} ms each, {cost.seconds:.3g} s",
        )


def print_table(rows: Sequence[Row]) -> None:
    """Print the ratios beside their goals, missed ones in red."""
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415

    table = Table("name", "peer", "ratio", "goal", "detail")
    for row in rows:
        sign = "at least" if row.better == "higher" else "at most"
        goal = "" if row.goal is None else f"{sign} {row.goal:.3g}"
        colour = "" if row.goal is None else "green" if row.is_met else "red"
        ratio = f"[{colour}]{row.ratio:.3g}[/]" if colour else f"{row.ratio:.3g}"
        table.add_row(row.name, row.peer, ratio, goal, row.detail)
    Console(width=160).print(table)


if __name__ == "__main__":
    os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    sys.path.insert(0, str(ROOT))
    main()
