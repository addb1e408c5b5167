"""Two contenders, each in its own process, taking turns.

Only one of the two computes at any time, so a busy machine slows both alike and the ratio of the
medians holds. CPU time, not wall time. Peak memory is the rise of the process's resident
high-water mark (Linux) over what it held before the step, warm and trimmed.
"""

import ctypes
import re
import statistics
import time
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path

import torch
from torch.nn.functional import normalize

from tests.benchmarks.contenders import build

DIMENSION = 256


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
    peaks = [pipe.recv() for pipe in pipes]
    seconds: list[list[float]] = [[] for _ in contenders]
    for _ in range(repeats):
        for pipe, series in zip(pipes, seconds, strict=True):
            pipe.send("turn")
            series.append(pipe.recv())
    for pipe, process in zip(pipes, processes, strict=True):
        pipe.send("end")
        process.join()
    return [Measured(statistics.median(s), p) for s, p in zip(seconds, peaks, strict=True)]


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
    before = _reset_peak()
    step()
    pipe.send(_peak() - before)
    while pipe.recv() == "turn":
        start = time.process_time()
        step()
        pipe.send(time.process_time() - start)


def _reset_peak() -> int:
    ctypes.CDLL(None).malloc_trim(0)  # what earlier steps have freed must not hide this one's
    Path("/proc/self/clear_refs").write_text("5")
    return _peak()


def _peak() -> int:
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found is not None
    return 1024 * int(found[1])
