"""``rankfall run``: a sweep with its display, and what is said when it ends."""

import shlex
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from rich.console import Console
from rich.markup import escape

from orchestrator.command_read import find_study
from orchestrator.errors import SweepCutError
from orchestrator.lane_plan import LaneRequest
from orchestrator.planners.forecast import forecast
from orchestrator.progress import TerminalDisplay
from orchestrator.report.terminal import summarise
from orchestrator.sweep import SweepOptions, SweepResult, run_sweep

EXIT_FAILED, EXIT_INTERRUPTED = 1, 130


def run_study(
    name: str,
    overrides: Sequence[str],
    results: Path,
    lanes: LaneRequest,
    track: bool,
    command: Sequence[str],
    ledger: str | None = None,
) -> int:
    """Run a study to its end and return the exit code.

    Raises:
        SearchSpaceError, OrchestratorError, TrainerError: What the user can mend.
    """
    study = find_study(name, overrides)
    screen = Console(stderr=True)
    options = SweepOptions(results, lanes, command, track, ledger=ledger)
    steps = study.settings_at(study.corner(study.kinds[0])).train.steps
    try:
        with (
            ending_on_sigterm(),
            TerminalDisplay(screen, forecast(study).trials, steps) as display,
        ):
            result = run_sweep(study, options, display)
    except KeyboardInterrupt:
        _say_how_to_go_on("stopped; finished trials are kept.", command, screen)
        return EXIT_INTERRUPTED
    except SweepCutError as error:
        _say_how_to_go_on(f"{error}.", command, screen)
        return EXIT_FAILED
    return _conclude(result, screen)


def _say_how_to_go_on(what_happened: str, command: Sequence[str], screen: Console) -> None:
    again = escape(shlex.join(command))
    screen.print(f"{what_happened} Go on with: [bold]{again}[/]", soft_wrap=True)


def _conclude(result: SweepResult, screen: Console) -> int:
    Console().print(summarise(result.study, result.records, result.files))
    if result.warning is not None:
        screen.print(f"[yellow]MLflow[/] {escape(result.warning)}")
    for record in result.missing[:5]:
        last_line = (record.failure or "").strip().splitlines()[-1:]
        screen.print(f"[red]missing[/] {escape(record.key)}: {escape(''.join(last_line))}")
    if result.missing:
        screen.print(f"{len(result.missing)} trials are missing; the same command tries them again")
    return EXIT_FAILED if result.missing else 0


@contextmanager
def ending_on_sigterm() -> Iterator[None]:
    """Let SIGTERM end a sweep as Ctrl-C does: Ray stopped, MLflow told."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
