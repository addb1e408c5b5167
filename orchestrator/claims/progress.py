"""One display for many studies: which one, its trials, and the claims decided so far."""

from collections.abc import Sequence
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from orchestrator.claims.result import ClaimResult
from orchestrator.claims.wording import say_ours
from orchestrator.planners.forecast import forecast
from orchestrator.record import TrialRecord, TrialState
from search_spaces.study import Study


class ClaimsTerminal:
    """A bar over all studies and one over the trials of the study being run.

    Where the output is a file, one line when a study begins and one for each claim decided.

    Args:
        console: Where to show it (stderr, so that stdout stays for results).
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[note]}"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._all = self._progress.add_task("studies", total=None, note="")
        self._one = self._progress.add_task("opening", total=None, note="")
        self._steps = 1
        self._expected = self._told = 0

    def __enter__(self) -> Self:
        """Start the live display."""
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End it and leave the terminal clean."""
        self._progress.stop()

    def begin(self, study: Study, number: int, count: int) -> None:
        """Say that the study is next."""
        self._steps = study.settings_at(study.corner(study.kinds[0])).train.steps
        self._expected, self._told = forecast(study).trials, 0
        self._progress.update(
            self._all, total=count, completed=number - 1, note=f"study {number} of {count}"
        )
        self._progress.reset(self._one, description=study.name, total=self._expected, note="")
        if not self._console.is_terminal:
            self._console.print(f"{study.name}: study {number} of {count}, {self._expected} trials")

    def show_stage(self, text: str) -> None:
        """Say what is being done now."""
        self._progress.update(self._one, note=escape(text))

    def show_records(self, study: Study, records: Sequence[TrialRecord]) -> None:
        """Count the trials."""
        self._told = sum(record.state is not TrialState.PENDING for record in records)
        self._expected = max(self._expected, len(records))
        self._progress.update(
            self._one,
            total=self._expected,
            completed=self._told,
            note=f"{self._told}/{self._expected} trials",
        )

    def show_steps(self, member_steps_running: int) -> None:
        """Count the steps of trials that are under way."""
        self._progress.update(self._one, completed=self._told + member_steps_running / self._steps)

    def show_result(self, result: ClaimResult) -> None:
        """Print the claim's verdict before the correction for the paper's other claims."""
        ours = "; ".join(say_ours(result))
        self._console.print(
            f"{result.claim}: {result.verdict} before Holm's correction: {escape(ours)}",
            soft_wrap=True,
        )
