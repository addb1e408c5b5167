"""``rankfall figure`` on the command line."""

from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli_options import (
    DEFAULT_RESULTS,
    DoneStudyArgument,
    ResultsOption,
    refusing_bad_input,
)
from orchestrator.figures.kind import FigureFormat, FigureKind

app = typer.Typer()


@app.command(epilog="Example: rankfall figure demo boundary --format pdf --width 3.25in")
def figure(
    study: DoneStudyArgument,
    kind: Annotated[FigureKind, typer.Argument(help="What it shows.")],
    form: Annotated[FigureFormat, typer.Option("--format", help="File format.")] = FigureFormat.PDF,
    width: Annotated[
        str, typer.Option(metavar="LENGTH", help="Width on paper, in in, cm, mm or pt.")
    ] = "3.25in",
    at: Annotated[
        list[str] | None,
        typer.Option(metavar="AXIS=VALUE", help="Only trials there. May be repeated."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Default: STUDY-KIND.FORMAT here.")
    ] = None,
    results: ResultsOption = DEFAULT_RESULTS,
) -> None:
    """Draw one figure for a paper's column (8 pt, 300 dpi), with its data beside it as CSV.

    A scoreboard is of the claims that the study decides; of all with STUDY 'claims'.
    """
    from orchestrator.command_figure import write_figure  # noqa: PLC0415

    with refusing_bad_input():
        for path in write_figure(study, kind, form, width, results, at or [], out):
            typer.echo(path)
