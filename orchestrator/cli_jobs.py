"""The commands that look after studies on a cluster: jobs, status, logs, cancel."""

from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from orchestrator.cli_options import (
    EXIT_INTERRUPTED,
    JsonOption,
    print_value,
    refusing_bad_input,
)

if TYPE_CHECKING:
    from orchestrator.jobs import JobCluster

app = typer.Typer()

AddressOption = Annotated[
    str | None,
    typer.Option(
        help="The cluster's dashboard (http://HEAD:8265) or head (HEAD:6379); as in Ray, "
        "RAY_API_SERVER_ADDRESS and RAY_ADDRESS say it too; default: the Ray on this machine.",
    ),
]
TargetArgument = Annotated[
    str, typer.Argument(metavar="ID", help="A job's id, or a study's name: its latest job.")
]


@app.command(epilog="Example: rankfall jobs --json")
def jobs(address: AddressOption = None, as_json: JsonOption = False) -> None:
    """List the studies submitted to a cluster, ended ones included."""
    with refusing_bad_input():
        from orchestrator.command_jobs import list_jobs, show_jobs  # noqa: PLC0415

        rows = list_jobs(_connect(address))
        print_value(rows, as_json, show_jobs)


@app.command(epilog="Example: rankfall status demo-1")
def status(
    target: Annotated[
        str | None,
        typer.Argument(metavar="[ID]", help="A job's id or a study's name; default: all at work."),
    ] = None,
    address: AddressOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say where a job stands, or all jobs that have not ended."""
    with refusing_bad_input():
        from orchestrator.command_jobs import (  # noqa: PLC0415
            describe_job,
            list_active,
            show_job,
            show_jobs,
        )
        from orchestrator.job import find_job  # noqa: PLC0415

        cluster = _connect(address)
        if target is None:
            print_value(list_active(cluster), as_json, show_jobs)
        else:
            print_value(describe_job(find_job(target, cluster.jobs())), as_json, show_job)


@app.command(epilog="Example: rankfall logs demo-1 -f")
def logs(
    target: TargetArgument,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on until the job ends, or Ctrl-C.")
    ] = False,
    address: AddressOption = None,
) -> None:
    """Print what a job says."""
    with refusing_bad_input():
        from orchestrator.command_jobs import print_log  # noqa: PLC0415

        try:
            print_log(_connect(address), target, follow=follow)
        except KeyboardInterrupt:
            raise typer.Exit(EXIT_INTERRUPTED) from None


@app.command(epilog="Example: rankfall cancel demo-1")
def cancel(
    target: TargetArgument,
    no_wait: Annotated[
        bool, typer.Option("--no-wait", help="Ask the job to end, and return at once.")
    ] = False,
    address: AddressOption = None,
) -> None:
    """End a job well: its members write checkpoints, finished trials are kept, MLflow is told.

    'rankfall resume' goes on where it stopped. A job that takes longer than 5 minutes to end is
    killed, which costs the time since its last checkpoints.
    """
    with refusing_bad_input():
        from orchestrator.command_jobs import cancel_job  # noqa: PLC0415

        try:
            cancel_job(_connect(address), target, Console(stderr=True), wait=not no_wait)
        except KeyboardInterrupt:
            raise typer.Exit(EXIT_INTERRUPTED) from None


def _connect(address: str | None) -> "JobCluster":
    from orchestrator.cluster_address import choose_address  # noqa: PLC0415
    from orchestrator.jobs import JobCluster  # noqa: PLC0415

    return JobCluster.connect(choose_address(address))
