"""The commands that train one trial of a ledger again: rerun, embed."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from orchestrator.cli_options import (
    DEFAULT_RESULTS,
    EXIT_FAILED,
    DoneStudyArgument,
    ResultsOption,
    refusing_bad_input,
)
from orchestrator.embedding_method import Method

app = typer.Typer()

TrialArgument = Annotated[
    str, typer.Argument(metavar="TRIAL", help="Number or key of a finished trial.")
]


@app.command(epilog="Example: rankfall rerun demo 12")
def rerun(
    study: DoneStudyArgument, trial: TrialArgument, results: ResultsOption = DEFAULT_RESULTS
) -> None:
    """Train one trial again and compare it with the ledger, field by field; exit 1 if it differs.

    On a machine like the one that trained it first every bit is the same.
    """
    from orchestrator.command_rerun import describe_rerun, train_again  # noqa: PLC0415

    with refusing_bad_input():
        again = train_again(study, results, trial)
    Console().print(describe_rerun(again))
    raise typer.Exit(EXIT_FAILED if again.differences else 0)


@app.command(epilog="Example: rankfall embed demo 12 --method tsne --out trial-12.png")
def embed(
    study: DoneStudyArgument,
    trial: TrialArgument,
    results: ResultsOption = DEFAULT_RESULTS,
    method: Annotated[Method, typer.Option(help="Two dimensions by PCA or t-SNE.")] = Method.PCA,
    out: Annotated[
        Path | None, typer.Option(metavar="PNG", help="Default: STUDY-NUMBER-METHOD.png.")
    ] = None,
) -> None:
    """Train one trial again and draw where it puts the test images, by class, and its spectrum."""
    from orchestrator.command_rerun import (  # noqa: PLC0415
        describe_rerun,
        draw_rerun,
        train_again,
    )

    with refusing_bad_input():
        again = train_again(study, results, trial)
        file = out or Path(f"{study}-{again.record.number}-{method}.png")
        draw_rerun(again, method, study, file)
    Console().print(describe_rerun(again))
    typer.echo(file)
