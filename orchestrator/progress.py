"""What a running sweep shows in the terminal: the map so far, a bar, the time left."""

import math
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

from rich.console import Console, Group
from rich.live import Live
from rich.progress import (
    BarColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from orchestrator.record import TrialRecord, TrialState
from orchestrator.report.terminal import map_so_far
from search_spaces.study import Study

MAP_SHARE = 0.05
"""Share of the driver's time that may go into drawing the map so far."""


class TerminalDisplay:
    """A live display on a terminal; one line per change where the output is a file.

    The map so far takes longer the more trials there are. It is drawn so seldom that the sweep
    does not wait for it: after a drawing of 0.3 s the next one is 6 s later.

    Args:
        console: Where to show it (stderr, so that stdout stays for results).
        trials_expected: The planner's forecast; the bar grows if more trials are asked.
        steps_per_trial: Optimiser steps of a full trial, for the part of a bar step.
        read_clock: Seconds, monotonic.
    """

    def __init__(
        self,
        console: Console,
        trials_expected: int,
        steps_per_trial: int,
        read_clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._console = console
        self._read_clock = read_clock
        self._next_map = -math.inf
        self._steps_per_trial = steps_per_trial
        self._expected = trials_expected
        self._told = 0
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[trials]}"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=console,
        )
        self._task = self._progress.add_task("opening the study", total=None, trials="")
        self._live = Live(self._progress, console=console, refresh_per_second=4, transient=True)

    def __enter__(self) -> Self:
        """Start the live display."""
        self._live.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End it and leave the terminal clean."""
        self._live.__exit__(kind, error, trace)

    def show_stage(self, text: str) -> None:
        """Say what is being done now."""
        self._progress.update(self._task, description=text)
        if not self._console.is_terminal:
            self._console.print(text)

    def show_records(self, study: Study, records: Sequence[TrialRecord]) -> None:
        """Show the map so far and count the trials."""
        told = sum(record.state is not TrialState.PENDING for record in records)
        self._expected = max(self._expected, len(records))
        self._told = told
        self._progress.update(
            self._task,
            description="training",
            total=self._expected,
            completed=told,
            trials=f"{told}/{self._expected} trials",
        )
        if self._console.is_terminal:
            self._draw_map(study, records)
        else:
            self._console.print(f"{told} of about {self._expected} trials told")

    def _draw_map(self, study: Study, records: Sequence[TrialRecord]) -> None:
        started = self._read_clock()
        if started < self._next_map:
            return
        self._live.update(Group(map_so_far(study, records), self._progress))
        ended = self._read_clock()
        self._next_map = ended + (ended - started) / MAP_SHARE

    def show_steps(self, member_steps_running: int) -> None:
        """Count the steps of trials that are under way."""
        under_way = member_steps_running / self._steps_per_trial
        self._progress.update(self._task, completed=self._told + under_way)
