"""A process that keeps what it frees takes no page faults to use it again."""

import subprocess
import sys

import pytest

# 24 blocks of 1 MiB are taken, filled and freed, 20 times over; a page has 4 KiB.
FAULTS = """
import ctypes, resource, sys
from trainer.allocator import keep_freed_memory
known = sys.argv[1] == "keep" and keep_freed_memory()
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
libc.free.argtypes = [ctypes.c_void_p]
def touch():
    blocks = [libc.malloc(1 << 20) for _ in range(24)]
    for block in blocks:
        ctypes.memset(block, 1, 1 << 20)
    for block in reversed(blocks):
        libc.free(block)
touch(), touch()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    touch()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before, known)
"""


def count_faults(mode: str) -> tuple[int, bool]:
    done = subprocess.run(
        [sys.executable, "-c", FAULTS, mode], capture_output=True, text=True, check=True
    )
    faults, known = done.stdout.split()
    return int(faults), known == "True"


def test_freed_memory_is_taken_again_without_page_faults() -> None:
    faults, known = count_faults("keep")
    if not known:
        pytest.skip("this C library has no mallopt")
    without, _ = count_faults("leave")
    assert faults < without / 10
