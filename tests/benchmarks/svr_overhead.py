"""What SVR costs in a real optimiser step of two encoders: time and memory against InfoNCE.

    python tests/benchmarks/svr_overhead.py [--json]

One JSON object a line with --json: ``name``, ``peer``, ``ratio``, ``goal`` and ``better``. Time
is the median, over turns, of the ratio of CPU times of neighbouring steps in one process, on one
thread; memory is the rise of the peak resident size during a step (median of a few), each
objective in a process of its own. SupCLAP (arXiv:2509.21033) states +1.6 % time and +0.5 % memory,
with far larger encoders. What SVR adds hardly grows with the encoders, so two sizes of them are
compared. About 3 quiet minutes.
"""

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.benchmarks.throughput import Row
    from tests.benchmarks.tower_step import Size

ROOT = Path(__file__).resolve().parents[2]
PEER = "infonce"
KINDS = {"static_svr": "StaticSVR", "dynamic_svr": "DynamicSVR"}
TURNS, WARMUPS, PEAKS = 31, 3, 5
GOAL = 1.02


def main() -> None:
    """Print one line, or one row of a table, per comparison."""
    from tests.benchmarks.throughput import print_table  # noqa: PLC0415 (after the thread count)
    from tests.benchmarks.tower_step import Size  # noqa: PLC0415

    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    as_json = parser.parse_args().json
    rows = []
    small = [Size("small towers, batch 24", 24), Size("small towers, batch 64", 64)]
    wide = Size("wide towers, batch 24", 24, channels=(64, 128, 256), width=256, layers=4)
    for size in (*small, wide):
        for row in compare(size, TURNS):
            rows.append(row)
            if as_json:
                print(json.dumps(asdict(row)), flush=True)
    if not as_json:
        print_table(rows)


def compare(size: "Size", turns: int) -> Iterator["Row"]:
    """Yield the time and the memory of both forms of SVR against InfoNCE at one size."""
    from tests.benchmarks.throughput import Row  # noqa: PLC0415

    seconds = time_steps(size, turns)
    peer_bytes = measure_peak(PEER, size)
    for kind, name in KINDS.items():
        ratios = [own / peer for own, peer in zip(seconds[kind], seconds[PEER], strict=True)]
        milliseconds = [1e3 * statistics.median(seconds[k]) for k in (kind, PEER)]
        yield Row(
            f"{name}, time of a step, {size.name}",
            "InfoNCE",
            round(statistics.median(ratios), 4),
            GOAL,
            "lower",
            "{:.1f} ms against {:.1f} ms".format(*milliseconds),
        )
        own_bytes = measure_peak(kind, size)
        yield Row(
            f"{name}, peak memory of a step, {size.name}",
            "InfoNCE",
            round(own_bytes / max(peer_bytes, 1), 4),
            GOAL,
            "lower",
            f"{own_bytes / 2**20:.1f} MiB against {peer_bytes / 2**20:.1f} MiB",
        )


def time_steps(size: "Size", turns: int) -> dict[str, list[float]]:
    """Return the CPU seconds of every step of every objective, turn by turn, in one process."""
    import torch  # noqa: PLC0415

    from trainer.allocator import keep_freed_memory  # noqa: PLC0415

    keep_freed_memory()  # as every worker of a lane does
    torch.set_num_threads(1)
    kinds = [PEER, *KINDS]
    steps = {kind: _prepare(kind, size) for kind in kinds}
    for step in steps.values():
        for _ in range(WARMUPS):
            step()
    seconds: dict[str, list[float]] = {kind: [] for kind in kinds}
    for turn in range(turns):
        # The one to begin changes, so that nobody always follows the same other.
        first = turn % len(kinds)
        for kind in [*kinds[first:], *kinds[:first]]:
            started = time.process_time()
            steps[kind]()
            seconds[kind].append(time.process_time() - started)
    return seconds


def measure_peak(kind: str, size: "Size") -> int:
    """Return by how many bytes a step raises the peak resident size, in a fresh process.

    The median of a few: how much a single step finds freed differs by a tenth.
    """
    context = get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_send_peak, args=(there, kind, size), daemon=True)
    process.start()
    peak: int = here.recv()
    process.join()
    return peak


def _send_peak(pipe: Connection, kind: str, size: "Size") -> None:
    import torch  # noqa: PLC0415

    from tests.benchmarks.duel import peak_of  # noqa: PLC0415

    torch.set_num_threads(1)
    step = _prepare(kind, size)
    for _ in range(WARMUPS):
        step()
    pipe.send(round(statistics.median(peak_of(step) for _ in range(PEAKS))))


def _prepare(kind: str, size: "Size") -> Callable[[], float]:
    from tests.benchmarks.tower_step import prepare_step  # noqa: PLC0415
    from trainer.objective_settings import (  # noqa: PLC0415
        DynamicSVRSettings,
        InfoNCESettings,
        ObjectiveSettings,
        StaticSVRSettings,
    )

    settings: dict[str, ObjectiveSettings] = {
        PEER: InfoNCESettings(temperature=0.07),
        "static_svr": StaticSVRSettings(),
        "dynamic_svr": DynamicSVRSettings(),
    }
    return prepare_step(settings[kind], size)


if __name__ == "__main__":
    os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    sys.path.insert(0, str(ROOT))
    main()
