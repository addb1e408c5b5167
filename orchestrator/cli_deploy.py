"""``rankfall deploy ...``: manifests that run a study unattended."""

from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli_options import StudyArgument, refusing_bad_input
from orchestrator.deploy.render import Target

app = typer.Typer(
    name="deploy",
    help="Manifests that run a study on Kubernetes (KubeRay) or with Docker Compose.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    epilog="Example: rankfall deploy render demo --target rayjob | kubectl apply -f -",
)


@app.callback()
def deploy() -> None:
    """Manifests that run a study on Kubernetes (KubeRay) or with Docker Compose."""


@app.command(epilog='Example: rankfall deploy render demo --target raycronjob --cron "0 2 * * *"')
def render(  # noqa: PLR0913
    study: StudyArgument,
    *,
    target: Annotated[Target, typer.Option(help="What runs the study.")],
    image: Annotated[
        str | None, typer.Option(metavar="NAME", help="Image; default: rankfall:VERSION.")
    ] = None,
    cron: Annotated[
        str | None,
        typer.Option(metavar="LINE", help="raycronjob: minute hour day month weekday."),
    ] = None,
    tz: Annotated[
        str | None,
        typer.Option(
            "--tz",
            metavar="ZONE",
            help="raycronjob: IANA name, needs KubeRay 1.7; default: that of KubeRay's own pod.",
        ),
    ] = None,
    workers: Annotated[int, typer.Option(min=0, max=1000, help="Pods beside the head.")] = 1,
    cpus: Annotated[int, typer.Option(min=1, max=1024, help="CPUs of each pod.")] = 4,
    memory: Annotated[int, typer.Option(min=2, max=8192, help="GiB of each pod.")] = 16,
    gpus: Annotated[int, typer.Option(min=0, max=64, help="NVIDIA GPUs of each pod.")] = 0,
    claim: Annotated[
        str,
        typer.Option(metavar="NAME", help="PersistentVolumeClaim of the results, ReadWriteMany."),
    ] = "rankfall-results",
    tracking_uri: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS", help="MLflow's server, as pods see it; default: no MLflow."
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write here; default: print it.")
    ] = None,
) -> None:
    """Print what runs one study: its text, its cluster, its token, its results volume.

    The pod options are for rayjob and raycronjob; compose uses the cluster of
    deploy/compose.yaml. Nothing secret is written into a manifest.
    """
    with refusing_bad_input():
        from orchestrator.command_deploy import (  # noqa: PLC0415
            RenderWish,
            render_study,
            write_manifest,
        )
        from orchestrator.deploy.plan import ClusterPlan, default_image  # noqa: PLC0415

        plan = ClusterPlan(
            image or default_image(), workers, cpus, memory, gpus, claim, tracking_uri
        )
        text = render_study(study, RenderWish(target, plan, cron, tz))
        if out is None:
            typer.echo(text, nl=False)
        else:
            write_manifest(text, out)
