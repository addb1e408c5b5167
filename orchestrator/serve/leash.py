"""Ends the service's processes if the service itself was killed.

A second process that reads process groups, a line each (``hold 4711``, ``drop 4711``), from its
standard input. Its end means that the service has died, however it died: the groups that are
still held are then asked to end, and killed if they don't.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TextIO

STOP_SECONDS = 15.0


class Leash:
    """The service's end of it."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    @contextmanager
    def holding(self, group: int) -> Iterator[None]:
        """End this process group, should we die inside the block."""
        self._say(f"hold {group}")
        try:
            yield
        finally:
            self._say(f"drop {group}")

    def _say(self, line: str) -> None:
        assert self._process.stdin is not None
        # Without its leash the service works all the same.
        with suppress(BrokenPipeError):
            self._process.stdin.write(f"{line}\n")
            self._process.stdin.flush()


@contextmanager
def leashed() -> Iterator[Leash]:
    """Run the process that outlives us."""
    process = subprocess.Popen(
        [sys.executable, "-m", "orchestrator.serve.leash"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        # Ctrl-C in the terminal is for the service alone.
        start_new_session=True,
    )
    try:
        yield Leash(process)
    finally:
        process.communicate()


def watch(lines: TextIO) -> None:
    """Read until the service has ended, then end what it left."""
    held: set[int] = set()
    for line in lines:
        word, group = line.split()
        if word == "hold":
            held.add(int(group))
        else:
            held.discard(int(group))
    end_groups(held)


def end_groups(groups: set[int]) -> None:
    """Ask process groups to end, and kill what has not after 15 s."""
    for group in groups:
        _signal(group, signal.SIGTERM)
    deadline = time.monotonic() + STOP_SECONDS
    while time.monotonic() < deadline and any(_signal(group, 0) for group in groups):
        time.sleep(0.1)
    for group in groups:
        _signal(group, signal.SIGKILL)


def _signal(group: int, number: int) -> bool:
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


if __name__ == "__main__":
    watch(sys.stdin)
