"""``rankfall compare`` on the command line."""

import json
from typing import Annotated

import typer
from rich.console import Console

from orchestrator.cli_options import (
    DEFAULT_RESULTS,
    JsonOption,
    ResultsOption,
    refusing_bad_input,
)

app = typer.Typer()


@app.command(epilog="Example: rankfall compare demo:kind=infonce :kind=clop --measure critical_lr")
def compare(
    arms: Annotated[
        list[str],
        typer.Argument(
            metavar="A B...",
            help="STUDY, or STUDY:AXIS=VALUE[,AXIS=VALUE...]; :AXIS=VALUE is of the study before. "
            "An axis goes by its path (objective.kind) or that's end (kind).",
        ),
    ],
    measure: Annotated[
        list[str] | None,
        typer.Option(
            "--measure",
            "-m",
            metavar="NAME",
            help="What to compare: critical_lr or any final measure. May be repeated. "
            "Default: what the first study is about.",
        ),
    ] = None,
    power: Annotated[
        float, typer.Option(min=0.06, max=0.999, help="Count the seeds needed for this power.")
    ] = 0.8,
    difference: Annotated[
        float | None,
        typer.Option(
            help="The difference these seeds shall find, in the measure's unit (decades for "
            "critical_lr); default: the one found."
        ),
    ] = None,
    results: ResultsOption = DEFAULT_RESULTS,
    as_json: JsonOption = False,
) -> None:
    """Compare arms with the first, A, seed by seed: differences, intervals, tests, effect sizes.

    Axes that an arm leaves free are averaged over, seed by seed. What isn't paired (other seeds,
    data, model or training, unless both arms name it) is refused.
    """
    from orchestrator.command_compare import (  # noqa: PLC0415
        compare_studies,
        to_content,
        to_table,
    )

    with refusing_bad_input():
        found = compare_studies(arms, measure or [], results, power, difference)
    if as_json:
        typer.echo(json.dumps(to_content(found), indent=2))
    else:
        Console().print(to_table(found, power))
