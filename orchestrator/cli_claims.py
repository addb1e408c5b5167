"""``rankfall claims ...`` on the command line: the papers' claims and their scoreboard."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from orchestrator.cli_options import (
    DEFAULT_RESULTS,
    JsonOption,
    ResultsOption,
    TrackOption,
    refusing_bad_input,
    typed_command,
)
from search_spaces.claim_size import Size

app = typer.Typer(
    help="The papers' claims: what they say, what was found here, and the studies behind it.",
    invoke_without_command=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    epilog="Example: rankfall claims run clop-metric --size quick",
)

ClaimsArgument = Annotated[
    list[str] | None, typer.Argument(metavar="[ID]...", help="Claims; default: all.")
]
SizeOption = Annotated[
    Size, typer.Option(help="quick: minutes in all, decides little; full: about an hour in all.")
]


@app.callback()
def show(
    context: typer.Context,
    results: ResultsOption = DEFAULT_RESULTS,
    as_json: JsonOption = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print Markdown.")] = False,
    html: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write one HTML page, pictures inside."),
    ] = None,
    into: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Put the kept results' Markdown between a file's claims marks (the README).",
        ),
    ] = None,
) -> None:
    """Show the scoreboard: results of the folder, else those kept with Rankfall.

    --html writes it as one page with every claim's picture.
    """
    if context.invoked_subcommand is not None:
        return
    from orchestrator import command_claims  # noqa: PLC0415
    from orchestrator.claims.scoreboard import (  # noqa: PLC0415
        to_content,
        to_markdown,
        to_table,
    )

    with refusing_bad_input():
        if into is not None:
            command_claims.update_document(into)
            return
        if html is not None:
            typer.echo(command_claims.write_page(results, html))
            return
        rows = command_claims.build_scoreboard(results)
    if as_json:
        typer.echo(json.dumps(to_content(rows), indent=2))
    elif markdown:
        typer.echo(to_markdown(rows))
    else:
        Console().print(to_table(rows))


@app.command(epilog="Example: rankfall claims run --size full --keep")
def run(
    claims: ClaimsArgument = None,
    size: SizeOption = Size.QUICK,
    seed: Annotated[
        int, typer.Option(min=0, help="Repeat with other seeds: another number than 0.")
    ] = 0,
    results: ResultsOption = DEFAULT_RESULTS,
    track: TrackOption = False,
    keep: Annotated[
        bool, typer.Option("--keep", help="Keep the results beside the claims, in the checkout.")
    ] = False,
) -> None:
    """Run the claims' studies, or go on with them, and say what they decide."""
    from orchestrator.command_claims import run_selected  # noqa: PLC0415

    with refusing_bad_input():
        code = run_selected(claims or [], size, seed, results, track, keep, typed_command())
    raise typer.Exit(code)


@app.command(epilog="Example: rankfall claims plan --size paper")
def plan(
    claims: ClaimsArgument = None, size: SizeOption = Size.FULL, as_json: JsonOption = False
) -> None:
    """Validate the claims' studies at a size and say what they take; run nothing."""
    from orchestrator.command_claims import plan_claims  # noqa: PLC0415

    with refusing_bad_input():
        rows = plan_claims(claims or [], size)
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
        return
    table = Table(box=None, pad_edge=False)
    shown = ("study", "digest", "trials", "trial_steps", "rounds")
    for name in shown:
        table.add_column(name.replace("_", "-"))
    for row in rows:
        table.add_row(*(f"{row[name]:,}" if name in shown[2:] else row[name] for name in shown))
    Console().print(table)
