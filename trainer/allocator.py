"""Memory that a step frees stays with the process, for the next step to take.

glibc hands the top of its heap back to the system once 128 KiB lie free there, and maps what is
larger than that anew each time. A training step frees its activations and takes as much again:
every page is then a page fault and is filled with zeros, which took a fifth of a step of 32
stacked members (64-64-32, batch 256).
"""

import ctypes
import sys

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
_KEPT_BYTES = 256 << 20
_LARGEST_FROM_HEAP_BYTES = 32 << 20
"""As much as glibc allows; what is larger is mapped as before."""


def keep_freed_memory() -> bool:
    """Let this process keep up to 256 MiB that it has freed, for its lifetime.

    Returns:
        Whether the C library knows how: glibc does, others are left as they are.
    """
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    kept = mallopt(_TRIM_THRESHOLD, _KEPT_BYTES)
    return bool(kept and mallopt(_MMAP_THRESHOLD, _LARGEST_FROM_HEAP_BYTES))
