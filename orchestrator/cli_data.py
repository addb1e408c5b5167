"""``rankfall data ...`` on the command line: which sources are here, and getting others."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from orchestrator.cli_options import JsonOption, print_value, refusing_bad_input
from orchestrator.data_kind import DataKind

app = typer.Typer(
    help="Sources of images and of sounds: which are here, and how to get the others.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    epilog="Example: rankfall data get cifar10",
)

FolderOption = Annotated[
    Path,
    typer.Option(
        "--folder",
        metavar="FOLDER",
        envvar="RANKFALL_DATA",
        help="Where downloads go, each source to a folder of its own.",
    ),
]
DEFAULT_FOLDER = Path("rankfall-data")


@app.command(name="list", epilog="Example: rankfall data list --json")
def list_sources(folder: FolderOption = DEFAULT_FOLDER, as_json: JsonOption = False) -> None:
    """Say of each source whether it is here, how many images or clips it has, or how to get it."""
    from orchestrator.command_data import list_data, show_data  # noqa: PLC0415

    with refusing_bad_input():
        rows = list_data(folder)
    print_value(rows, as_json, show_data)


@app.command(epilog="Example: rankfall data get cifar10 --folder /data")
def get(
    source: Annotated[DataKind, typer.Argument(metavar="SOURCE", help="Name of the source.")],
    folder: FolderOption = DEFAULT_FOLDER,
    mirror: Annotated[
        str | None,
        typer.Option(metavar="URL", help="Get the same files, with the same checksums, from here."),
    ] = None,
) -> None:
    """Download a source as its authors publish it, check it, unpack it; nothing else downloads."""
    from orchestrator.command_data import get_source  # noqa: PLC0415

    with refusing_bad_input():
        line = get_source(source, folder, mirror, Console(stderr=True))
    typer.echo(f"data: {line}")
