"""``rankfall serve``: the service of a lab."""

import logging
import sys
from typing import Annotated

import typer

from orchestrator.cli_jobs import AddressOption
from orchestrator.cli_options import (
    DEFAULT_RESULTS,
    EXIT_INTERRUPTED,
    ResultsOption,
    TrackOption,
    refusing_bad_input,
)
from orchestrator.cli_schedule import StoreOption

app = typer.Typer()

Port = Annotated[int, typer.Option(min=1, max=65535)]


@app.command(epilog="Example: rankfall serve --results ~/maps")
def serve(  # noqa: PLR0913
    *,
    results: ResultsOption = DEFAULT_RESULTS,
    address: AddressOption = None,
    store: StoreOption = None,
    host: Annotated[
        str,
        typer.Option(
            help="Where Ray listens; other than loopback only with RAY_AUTH_TOKEN or "
            "RAY_AUTH_TOKEN_PATH set. MLflow has no password and stays on this machine."
        ),
    ] = "127.0.0.1",
    ray_port: Port = 6379,
    dashboard_port: Port = 8265,
    mlflow_port: Port = 5000,
    cpus: Annotated[
        int | None, typer.Option(min=1, help="CPUs that Ray gives away; default: all.")
    ] = None,
    mlflow: TrackOption = True,
) -> None:
    """Run what a lab needs on one machine: Ray, MLflow, and the scheduler, until Ctrl-C.

    With --address (or RAY_ADDRESS) it uses that cluster and starts no Ray; with
    MLFLOW_TRACKING_URI naming a server it starts no MLflow. What was scheduled is kept in --store
    over restarts and crashes; studies that were at work go on.
    """
    logging.basicConfig(
        stream=sys.stderr, format="%(asctime)s %(levelname)s %(message)s", level=logging.WARNING
    )
    logging.getLogger("rankfall").setLevel(logging.INFO)
    with refusing_bad_input():
        from orchestrator.cluster_address import choose_address  # noqa: PLC0415
        from orchestrator.serve.ray_head import HeadPlan  # noqa: PLC0415
        from orchestrator.serve.service import ServicePlan, serve  # noqa: PLC0415

        plan = ServicePlan(
            results=results.absolute(),
            address=choose_address(address),
            store=store,
            head=HeadPlan(host, ray_port, dashboard_port, cpus),
            mlflow_port=mlflow_port if mlflow else None,
        )
        try:
            serve(plan, typer.echo)
        except KeyboardInterrupt:
            raise typer.Exit(EXIT_INTERRUPTED) from None
