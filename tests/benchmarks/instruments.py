"""Cost of the instruments of collapse against one RankMe by singular value decomposition.

    python tests/benchmarks/instruments.py [--json]

Each side runs in a process of its own, on one thread; the two take turns, and the ratio is
that of the medians of their CPU times. Memory is the growth of the peak resident size over the
size before the first call. One JSON object a line with --json: ``name``, ``peer``, ``batch``,
``time_ratio``, ``memory_ratio``, ``goal`` (of the time; null where a row only explains another).

Shape legend: N = samples, D = dimension.
"""

import argparse
import json
import multiprocessing
import os
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from multiprocessing.connection import Connection
from pathlib import Path
from typing import assert_never

import torch
from torch import Tensor

from trainer.collapse.geometry import modality_gap, uniformity
from trainer.collapse.spectrum import measure, spectrum

SAMPLES, DIMENSIONS, REPEATS, WARMUPS = 2048, 512, 15, 3


class Task(Enum):
    """What a process is timed on."""

    ALL = "all instruments"
    ALL_COLLAPSED = "all instruments, collapsed spectrum (float64)"
    SPECTRUM = "spectrum alone"
    UNIFORMITY = "uniformity alone"
    FULL_SVD = "RankMe by full SVD"
    SINGULAR_VALUES = "RankMe by svdvals"


@dataclass(frozen=True, slots=True)
class Row:
    """One comparison; ``goal`` is the largest time ratio that was asked for."""

    ours: Task
    peer: Task
    goal: float | None = None


ROWS = (
    Row(Task.ALL, Task.FULL_SVD, goal=0.25),
    Row(Task.ALL, Task.SINGULAR_VALUES),
    Row(Task.ALL_COLLAPSED, Task.FULL_SVD),
    Row(Task.SPECTRUM, Task.FULL_SVD),
    Row(Task.UNIFORMITY, Task.FULL_SVD),
)


def compare(row: Row, *, samples: int, dimensions: int, repeats: int) -> dict[str, object]:
    """Time both sides in turns and return the row's JSON object."""
    with (
        _worker(row.ours, samples, dimensions) as ours,
        _worker(row.peer, samples, dimensions) as peer,
    ):
        seconds = [(_call(ours), _call(peer)) for _ in range(WARMUPS + repeats)][WARMUPS:]
        memory = _peak(ours) / max(_peak(peer), 1)
    medians = [statistics.median(side) for side in zip(*seconds, strict=True)]
    return {
        "name": row.ours.value,
        "peer": row.peer.value,
        "batch": samples,
        "time_ratio": round(medians[0] / medians[1], 3),
        "memory_ratio": round(memory, 3),
        "goal": row.goal,
    }


@contextmanager
def _worker(task: Task, samples: int, dimensions: int) -> Iterator[Connection]:
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_serve, args=(there, task, samples, dimensions))
    process.start()
    try:
        yield here
    finally:
        here.send("stop")
        process.join()


def _serve(connection: Connection, task: Task, samples: int, dimensions: int) -> None:
    """Run the task whenever asked for; answer with CPU seconds, or the peak growth in bytes."""
    torch.set_num_threads(1)
    run = _prepare(task, samples, dimensions)
    Path("/proc/self/clear_refs").write_text("5")  # resets the peak
    before = _status_bytes("VmRSS")
    while (request := connection.recv()) != "stop":
        if request == "peak":
            connection.send(_status_bytes("VmHWM") - before)
            continue
        start = time.process_time()
        run()
        connection.send(time.process_time() - start)


def _prepare(task: Task, samples: int, dimensions: int) -> Callable[[], object]:
    generator = torch.Generator().manual_seed(0)
    x_ND = torch.randn(samples, dimensions, generator=generator)
    y_ND = torch.randn(samples, dimensions, generator=generator)
    match task:
        case Task.ALL:
            return lambda: (measure(x_ND, y_ND), modality_gap(x_ND, y_ND))
        case Task.ALL_COLLAPSED:
            collapsed_ND = x_ND * torch.logspace(0, -4, dimensions)
            return lambda: (measure(collapsed_ND, y_ND), modality_gap(collapsed_ND, y_ND))
        case Task.SPECTRUM:
            return lambda: spectrum(x_ND)
        case Task.UNIFORMITY:
            return lambda: uniformity(x_ND)
        case Task.FULL_SVD:
            return lambda: _rankme(torch.linalg.svd(x_ND, full_matrices=False).S)
        case Task.SINGULAR_VALUES:
            return lambda: _rankme(torch.linalg.svdvals(x_ND))
        case _:
            assert_never(task)


def _rankme(sigma_K: Tensor) -> Tensor:
    """Return RankMe as published, with its epsilon."""
    p_K = sigma_K / sigma_K.sum() + 1e-7
    return (-(p_K * p_K.log()).sum()).exp()


def _call(connection: Connection) -> float:
    connection.send("run")
    seconds: float = connection.recv()
    return seconds


def _peak(connection: Connection) -> int:
    connection.send("peak")
    grown: int = connection.recv()
    return grown


def _status_bytes(field: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return 1024 * int(line.split()[1])
    raise RuntimeError(f"/proc/self/status has no field {field}: this benchmark needs Linux")


def main() -> None:
    """Print one line per row."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    as_json = parser.parse_args().json
    os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    for row in ROWS:
        result = compare(row, samples=SAMPLES, dimensions=DIMENSIONS, repeats=REPEATS)
        print(json.dumps(result) if as_json else _line(result), flush=True)


def _line(result: dict[str, object]) -> str:
    return (
        f"{result['name']} vs {result['peer']}, n {result['batch']}: time {result['time_ratio']}, "
        f"memory {result['memory_ratio']} (goal for time: {result['goal']})"
    )


if __name__ == "__main__":
    main()
