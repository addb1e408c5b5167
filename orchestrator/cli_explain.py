"""``rankfall explain`` on the command line."""

import json
from typing import Annotated

import typer
from rich.console import Console

from orchestrator.cli_options import (
    DEFAULT_RESULTS,
    DoneStudyArgument,
    JsonOption,
    ResultsOption,
    refusing_bad_input,
)

app = typer.Typer()


@app.command(epilog="Example: rankfall explain demo b-3f2a91c0")
def explain(
    study: DoneStudyArgument,
    number: Annotated[
        str | None,
        typer.Argument(
            metavar="[NUMBER-ID]",
            help="As the report shows it at a number; its beginning will do. Without: list all.",
        ),
    ] = None,
    results: ResultsOption = DEFAULT_RESULTS,
    mlflow: Annotated[
        bool, typer.Option("--mlflow/--no-mlflow", help="Look for the trials' MLflow runs.")
    ] = True,
    as_json: JsonOption = False,
) -> None:
    """Say what a number of a report is, and what lies behind it: trials, seeds, runs, code, data.

    And the command that makes it again. Every number has an id: press on it in the report.
    """
    from orchestrator import command_explain  # noqa: PLC0415

    with refusing_bad_input():
        if number is None:
            numbers = command_explain.list_study(study, results)
            if as_json:
                typer.echo(json.dumps(command_explain.list_content(numbers), indent=2))
            else:
                Console().print(command_explain.show_list(numbers, study))
            return
        found = command_explain.explain_study(study, results, number, track=mlflow)
        if as_json:
            content = command_explain.explanation_content(found, study, results)
            typer.echo(json.dumps(content, indent=2))
        else:
            Console().print(command_explain.show_explanation(found, study, results))
