"""The leash: what a service that was killed has left running is ended, what it let go is not."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.runs import wait_until

# A service in small: it starts two children in groups of their own and lets one of them go.
SERVICE = """
import subprocess, sys, time
from orchestrator.serve.leash import leashed
sleep = [sys.executable, "-c", {child!r}]
with leashed() as leash:
    quiet = {{"stdout": subprocess.DEVNULL, "start_new_session": True}}
    held, dropped = (subprocess.Popen(sleep, **quiet) for _ in range(2))
    with leash.holding(held.pid):
        with leash.holding(dropped.pid):
            pass
        print(held.pid, dropped.pid, flush=True)
        {then}
"""
DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)"


@pytest.fixture
def strays() -> Iterator[list[int]]:
    """Processes to be ended whatever a test finds."""
    found: list[int] = []
    yield found
    for pid in found:
        try:
            os.killpg(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue


def is_alive(pid: int) -> bool:
    stat = Path(f"/proc/{pid}/stat")
    # A child that nobody waited for is a zombie: it has ended.
    return stat.exists() and stat.read_text().rpartition(")")[2].split()[0] != "Z"


def start(child: str, then: str, strays: list[int]) -> tuple[subprocess.Popen[str], int, int]:
    code = SERVICE.format(child=child, then=then)
    service = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert service.stdout is not None
    with service.stdout as said:
        held, dropped = map(int, said.readline().split())
    strays += [held, dropped]
    return service, held, dropped


def test_a_killed_service_takes_what_it_held_with_it_and_nothing_else(strays: list[int]) -> None:
    service, held, dropped = start("import time; time.sleep(60)", "time.sleep(60)", strays)
    service.kill()
    service.wait()
    wait_until(lambda: not is_alive(held), "the end of what was held")
    assert is_alive(dropped)


def test_a_service_that_ends_well_has_let_go(strays: list[int]) -> None:
    service, held, _ = start("import time; time.sleep(60)", "pass", strays)
    service.wait()
    assert service.returncode == 0
    assert is_alive(held)


@pytest.mark.slow
def test_what_does_not_listen_is_killed_in_the_end(strays: list[int]) -> None:
    service, held, _ = start(DEAF, "time.sleep(60)", strays)
    service.kill()
    service.wait()
    wait_until(lambda: not is_alive(held), "the end of what was held")
