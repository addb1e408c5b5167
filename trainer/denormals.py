"""Denormal numbers rounded to zero while a cohort trains, and only then.

Collapsed members sink into denormal numbers, which cost a CPU 100 times a normal one. The
switch belongs to the calling thread and would outlive the training, so it is put back: nothing
else in the process computes differently because a cohort was trained there before.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def flush_denormals() -> Iterator[None]:
    """Flush denormals to zero inside the block (or decorated function), on this thread."""
    was_flushing = is_flushing_denormals()
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(was_flushing)


def is_flushing_denormals() -> bool:
    """Say whether this thread rounds denormals to zero; torch can set that but not tell it."""
    smallest = torch.full((1,), 5e-324, dtype=torch.float64)
    return not bool((smallest * 1.0).view(torch.int64).any())
