"""``rankfall track ...``: a study's runs in MLflow."""

import dataclasses
import json

import typer
from rich.console import Console

from orchestrator.cli_options import (
    DEFAULT_RESULTS,
    DoneStudyArgument,
    JsonOption,
    ResultsOption,
    refusing_bad_input,
)

app = typer.Typer(
    name="track",
    help="A study's runs in MLflow.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    epilog="Example: rankfall track rebuild demo",
)


@app.callback()
def root() -> None:
    """A study's runs in MLflow."""


@app.command(epilog="Example: rankfall track rebuild demo")
def rebuild(
    study: DoneStudyArgument,
    results: ResultsOption = DEFAULT_RESULTS,
    as_json: JsonOption = False,
) -> None:
    """Make a study's runs in MLflow again from its ledger, and its report.

    Writes what is missing or wrong and deletes what the ledger knows nothing of; a second time it
    changes nothing. The store is that of the results folder, or of MLFLOW_TRACKING_URI.
    """
    with refusing_bad_input():
        from pathlib import Path  # noqa: PLC0415

        from orchestrator.folder import StudyFolder  # noqa: PLC0415
        from orchestrator.mlflow_store import locate_store  # noqa: PLC0415
        from orchestrator.track_rebuild import rebuild as rebuild_runs  # noqa: PLC0415

        is_folder = (Path(study) / "ledger.journal").exists()
        folder = StudyFolder(Path(study) if is_folder else results / study)
        store = locate_store(folder.path.parent)
        done = rebuild_runs(folder, store)
    if as_json:
        typer.echo(json.dumps(dataclasses.asdict(done), indent=2))
        return
    report = done.report
    Console(soft_wrap=True).print(
        f"{folder.path.name}: {report.written} trials written, {report.unchanged} as they were, "
        f"{done.removed} runs removed; {done.status.lower()}, {report.seconds:.1f} s"
    )
    if report.url is not None:
        typer.echo(report.url)
