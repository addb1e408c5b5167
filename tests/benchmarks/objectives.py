"""Objectives against the libraries people use: forward + backward, one thread, d = 256.

``python tests/benchmarks/objectives.py`` prints a table, ``--json`` one JSON object a line:
``name``, ``peer``, ``batch``, ``time_ratio`` and ``memory_ratio`` (ours / peer's), ``goal`` (for
the time) and ``memory_goal``. ``--only WORD`` runs the rows whose name or peer contains it.
Peers: ``pip install --no-deps open_clip_torch lightly pytorch-metric-learning``.
"""

import argparse
import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
REPEATS = {1024: 15, 4096: 5}
GIB = 2**30


@dataclass(frozen=True, slots=True)
class Row:
    """One comparison and what it is to reach."""

    name: str
    peer: str
    batch: int
    time_goal: float
    memory_goal: float | None = None


CLIP, SIGLIP = "open_clip ClipLoss", "open_clip SigLipLoss"
NT_XENT, SUPCON = "lightly NTXentLoss", "pytorch-metric-learning SupConLoss"
DCL = "lightly DCLLoss"
FUSED = (
    *("infonce", "infonce tiled", "nt_xent", "siglip", "supcon"),
    *("cl", "nscl", "svr uni", "svr bi"),
)

ROWS = (
    Row("infonce", CLIP, 4096, 0.45, 0.30),
    Row("infonce", CLIP, 1024, 0.45, 0.30),
    Row("infonce tiled", CLIP, 4096, 0.55, 0.18),
    Row("siglip", SIGLIP, 4096, 0.50, 0.30),
    Row("nt_xent", NT_XENT, 1024, 0.35, 0.40),
    Row("nt_xent", NT_XENT, 4096, 0.28, 0.40),
    Row("supcon", SUPCON, 1024, 0.20, 0.40),
    Row("cl", DCL, 1024, 0.50, 0.60),
    Row("nscl", "nscl plain", 1024, 0.50, 0.60),
    Row("svr uni", "svr uni plain", 1024, 0.75, 0.60),
    Row("svr uni", "svr uni plain", 4096, 0.75, 0.60),
    Row("svr bi", "svr bi plain", 1024, 0.85, 0.60),
    Row("svr bi", "svr bi plain", 4096, 0.85, 0.60),
    *(Row(n, f"{n.removesuffix(' tiled')} plain compiled", 1024, 1.0) for n in FUSED),
)
LARGEST = ("infonce tiled", 16384)


def main() -> None:
    """Print one line, or one row of a table, per comparison."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.add_argument("--only", default="", help="rows whose name or peer contains this")
    options = parser.parse_args()
    results = []
    for row in ROWS:
        if options.only in f"{row.name} {row.peer}":
            results.append(compare(row))
            if options.json:
                print(json.dumps(results[-1]), flush=True)
    if options.only in LARGEST[0]:
        results.append(measure_largest())
        if options.json:
            print(json.dumps(results[-1]), flush=True)
    if not options.json:
        print_table(results)


def compare(row: Row) -> dict[str, object]:
    """Let ours and the peer take turns and return the ratios."""
    from tests.benchmarks.duel import duel  # noqa: PLC0415 (after the thread count is set)

    ours, peer = duel([row.name, row.peer], row.batch, REPEATS[row.batch])
    return {
        "name": row.name,
        "peer": row.peer,
        "batch": row.batch,
        "time_ratio": round(ours.cpu_seconds / peer.cpu_seconds, 3),
        "memory_ratio": round(ours.peak_bytes / max(peer.peak_bytes, 1), 3),
        "goal": row.time_goal,
        "memory_goal": row.memory_goal,
        "cpu_ms": round(1e3 * ours.cpu_seconds, 2),
        "peer_cpu_ms": round(1e3 * peer.cpu_seconds, 2),
        "peak_mib": round(ours.peak_bytes / 2**20, 1),
        "peer_peak_mib": round(peer.peak_bytes / 2**20, 1),
    }


def measure_largest() -> dict[str, object]:
    """Return the memory of the largest tiled batch as a share of 1 GiB."""
    from tests.benchmarks.duel import duel  # noqa: PLC0415 (after the thread count is set)

    name, batch = LARGEST
    (ours,) = duel([name], batch, 1)
    return {
        "name": name,
        "peer": "1 GiB",
        "batch": batch,
        "time_ratio": None,
        "memory_ratio": round(ours.peak_bytes / GIB, 3),
        "goal": None,
        "memory_goal": 1.0,
        "cpu_ms": round(1e3 * ours.cpu_seconds, 2),
        "peer_cpu_ms": None,
        "peak_mib": round(ours.peak_bytes / 2**20, 1),
        "peer_peak_mib": None,
    }


def print_table(results: list[dict[str, object]]) -> None:
    """Print the ratios beside their goals, missed ones in red."""
    from rich.console import Console  # noqa: PLC0415 (only the table needs it)
    from rich.table import Table  # noqa: PLC0415

    table = Table("objective", "peer", "batch", "time", "goal", "memory", "goal", "ms")
    for result in results:
        cells = [str(result[key]) for key in ("name", "peer", "batch")]
        for ratio, goal in (("time_ratio", "goal"), ("memory_ratio", "memory_goal")):
            cells += [_mark(result[ratio], result[goal]), str(result[goal] or "")]
        table.add_row(*cells, str(result["cpu_ms"]))
    Console().print(table)


def _mark(ratio: object, goal: object) -> str:
    if not isinstance(ratio, float) or not isinstance(goal, float):
        return str(ratio if ratio is not None else "")
    return f"[{'green' if ratio <= goal else 'red'}]{ratio}[/]"


if __name__ == "__main__":
    os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    sys.path.insert(0, str(ROOT))
    main()
