"""What the commands share: their arguments and options, how bad input ends, how results print."""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console, RenderableType
from rich.markup import escape

RESULTS_VARIABLE = "RANKFALL_RESULTS"
DEFAULT_RESULTS = Path("rankfall-results")
EXIT_FAILED, EXIT_BAD_INPUT, EXIT_INTERRUPTED = 1, 2, 130

StudyArgument = Annotated[
    str,
    typer.Argument(
        metavar="STUDY",
        help="A study file, or the name of one that ships with Rankfall (demo).",
    ),
]
DoneStudyArgument = Annotated[
    str, typer.Argument(metavar="STUDY", help="Name of a study that was run.")
]
SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="PATH=VALUE",
        help="Override a setting, e.g. --set budget.trials=100. May be repeated; recorded.",
    ),
]
ResultsOption = Annotated[
    Path,
    typer.Option(
        "--results",
        metavar="FOLDER",
        envvar=RESULTS_VARIABLE,
        help="Where studies keep their ledger, report and MLflow database.",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
WorkersOption = Annotated[
    int | None,
    typer.Option(
        min=1, help="Processes of each lane; default: one per GPU of a node, else per CPU."
    ),
]
LanesOption = Annotated[
    int | None,
    typer.Option(min=1, help="Worker groups side by side; default: one on each node."),
]
GpuFractionOption = Annotated[
    float,
    typer.Option(min=0.01, max=1.0, help="Share of a GPU, and of its memory, for a worker."),
]
LedgerOption = Annotated[
    str | None,
    typer.Option(
        "--ledger",
        metavar="URL",
        help="Keep a new study's ledger in this PostgreSQL database, postgresql://user@host/name; "
        "the password comes from ~/.pgpass or PGPASSWORD. Default: a file in its folder.",
    ),
]
TrackOption = Annotated[
    bool, typer.Option("--mlflow/--no-mlflow", help="Write the runs to MLflow.")
]


@contextmanager
def refusing_bad_input() -> Iterator[None]:
    """Turn what the user can mend into one clear line and exit code 2."""
    # Imported here: torch and optuna behind these names cost every --help two seconds.
    from orchestrator.errors import OrchestratorError  # noqa: PLC0415
    from search_spaces.errors import SearchSpaceError  # noqa: PLC0415
    from trainer.errors import TrainerError  # noqa: PLC0415

    try:
        yield
    except (OrchestratorError, SearchSpaceError, TrainerError) as error:
        Console(stderr=True, soft_wrap=True).print(f"[red]error[/] {escape(str(error))}")
        raise typer.Exit(EXIT_BAD_INPUT) from error


def print_value(value: Any, as_json: bool, show: Callable[[Any], RenderableType]) -> None:
    """Print a listing: as JSON, or as ``show`` draws it."""
    if as_json:
        typer.echo(json.dumps(value, indent=2))
    else:
        Console().print(show(value))


def typed_command() -> list[str]:
    """Return the command as the user typed it, for the record."""
    return ["rankfall", *sys.argv[1:]]
