"""Two contenders, each in its own process, taking turns.

Only one of the two computes at any time, so a busy machine slows both alike and the ratio of the
medians holds. CPU time, not wall time. Peak memory is the rise of the process's resident
high-water mark (Linux) over what it held before the step, warm and trimmed.
"""

import ctypes
import re
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path

import torch
from torch.nn.functional import normalize

from tests.benchmarks.contenders import build

DIMENSION = 256
_M_MMAP_THRESHOLD = -3


@dataclass(frozen=True, slots=True)
class Measured:
    """CPU seconds of one forward + backward (median), and its peak memory in bytes."""

    cpu_seconds: float
    peak_bytes: int


def duel(contenders: list[str], batch: int, repeats: int) -> list[Measured]:
    """Measure the contenders turn by turn."""
    context = get_context("spawn")
    pipes, processes = [], []
    for name in contenders:
        here, there = context.Pipe()
        process = context.Process(target=_serve, args=(there, name, batch), daemon=True)
        process.start()
        pipes.append(here)
        processes.append(process)
        here.recv()  # ready: the next one warms up alone
    seconds: list[list[float]] = [[] for _ in contenders]
    for _ in range(repeats):
        for pipe, series in zip(pipes, seconds, strict=True):
            pipe.send("turn")
            series.append(pipe.recv())
    measured = []
    for pipe, process, series in zip(pipes, processes, seconds, strict=True):
        pipe.send("end")
        measured.append(Measured(statistics.median(series), pipe.recv()))
        process.join()
    return measured


def _serve(pipe: Connection, name: str, batch: int) -> None:
    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(0)

    def leaf(rows: int) -> torch.Tensor:
        return normalize(torch.randn(rows, DIMENSION, generator=generator), dim=-1).requires_grad_()

    def step() -> None:
        torch.autograd.grad(loss(x, y), (x, y))

    loss, x, y = build(name, batch), leaf(batch), leaf(batch)
    step()
    step()
    pipe.send("ready")
    while pipe.recv() == "turn":
        start = time.process_time()
        step()
        pipe.send(time.process_time() - start)
    pipe.send(peak_of(step))


def peak_of(step: Callable[[], object]) -> int:
    """Return by how many bytes one step raises the resident high-water mark."""
    libc = ctypes.CDLL(None)
    # Blocks of a page or more go straight back to the system, so that what earlier steps freed
    # neither hides this step's memory nor adds to it.
    libc.mallopt(_M_MMAP_THRESHOLD, 4096)
    libc.malloc_trim(0)
    step()
    libc.malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")
    before = _high_water_mark()
    step()
    return _high_water_mark() - before


def _high_water_mark() -> int:
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found is not None
    return 1024 * int(found[1])
