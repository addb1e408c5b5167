"""The command line. Thin: every command reads its input, calls one function, shows the result.

Exit codes: 0 done, 1 a study with failed trials, 2 bad input, 130 interrupted.
"""

from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from orchestrator import (
    cli_compare,
    cli_doctor,
    cli_explain,
    cli_figure,
    cli_jobs,
    cli_rerun,
    cli_serve,
    cli_submit,
)
from orchestrator.cli_claims import app as claims_app
from orchestrator.cli_data import app as data_app
from orchestrator.cli_deploy import app as deploy_app
from orchestrator.cli_jobs import AddressOption
from orchestrator.cli_options import (
    DEFAULT_RESULTS,
    DoneStudyArgument,
    GpuFractionOption,
    JsonOption,
    LanesOption,
    LedgerOption,
    ResultsOption,
    SetOption,
    StudyArgument,
    TrackOption,
    WorkersOption,
    print_value,
    refusing_bad_input,
    typed_command,
)
from orchestrator.cli_schedule import app as schedule_app
from orchestrator.cli_track import app as track_app
from orchestrator.planners.world_kind import WorldKind
from orchestrator.timed_by import TimedBy

app = typer.Typer(
    name="rankfall",
    help="Map where contrastive training collapses: critical learning rates with credible bands.",
    epilog="Start with: rankfall run demo",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)
app.add_typer(claims_app, name="claims")
app.add_typer(data_app, name="data")
app.add_typer(deploy_app, name="deploy")
app.add_typer(schedule_app, name="schedule")
app.add_typer(track_app, name="track")


def print_version(wanted: bool) -> None:
    """Print the version and end: the callback of --version."""
    if wanted:
        typer.echo(f"rankfall {version('rankfall')}")
        raise typer.Exit


@app.callback()
def root(
    _version: Annotated[
        bool, typer.Option("--version", callback=print_version, is_eager=True, help="Show it.")
    ] = False,
) -> None:
    """Map where contrastive training collapses: critical learning rates with credible bands."""


@app.command(epilog="Example: rankfall run demo --set seeds=5 --results ~/maps")
def run(
    study: StudyArgument,
    *,
    overrides: SetOption = None,
    results: ResultsOption = DEFAULT_RESULTS,
    ledger: LedgerOption = None,
    workers: WorkersOption = None,
    lanes: LanesOption = None,
    gpu_fraction: GpuFractionOption = 1.0,
    track: TrackOption = True,
) -> None:
    """Run a study, or go on where an earlier run of it stopped.

    Uses the Ray cluster at RAY_ADDRESS, or starts Ray on this machine. Every finished trial is
    kept: after Ctrl-C or a crash the same command goes on.
    """
    from orchestrator.command_run import run_study  # noqa: PLC0415
    from orchestrator.lane_plan import LaneRequest  # noqa: PLC0415

    request = LaneRequest(lanes, workers, gpu_fraction)
    with refusing_bad_input():
        code = run_study(study, overrides or [], results, request, track, typed_command(), ledger)
    raise typer.Exit(code)


@app.command(epilog="Example: rankfall validate my-study.yaml --set lr.high=30")
def validate(study: StudyArgument, overrides: SetOption = None) -> None:
    """Check a study file and say what it describes; run nothing."""
    from orchestrator.command_read import describe_study, find_study  # noqa: PLC0415

    with refusing_bad_input():
        Console().print(describe_study(find_study(study, overrides or [])))


@app.command(epilog="Example: rankfall plan demo --json")
def plan(  # noqa: PLR0913
    study: StudyArgument,
    *,
    overrides: SetOption = None,
    results: ResultsOption = DEFAULT_RESULTS,
    address: AddressOption = None,
    workers: WorkersOption = None,
    lanes: LanesOption = None,
    gpu_fraction: GpuFractionOption = 1.0,
    timed_by: Annotated[
        TimedBy,
        typer.Option(
            help="What tells the time of a step: earlier trials like these (ledgers in --results, "
            "else MLFLOW_TRACKING_URI), a probe on this machine, or earlier ones if there are any."
        ),
    ] = TimedBy.AUTO,
    as_json: JsonOption = False,
) -> None:
    """Say what a study takes before anything is spent: trials, band width, lanes, time, GPU-hours.

    The planner is run against a simulated world, for this machine or for the cluster at --address
    or RAY_ADDRESS. Trains nothing but the probe, which takes seconds.
    """
    from orchestrator.command_plan import plan_at, show_plan  # noqa: PLC0415
    from orchestrator.command_read import find_study  # noqa: PLC0415
    from orchestrator.lane_plan import LaneRequest  # noqa: PLC0415

    request = LaneRequest(lanes, workers, gpu_fraction)
    with refusing_bad_input():
        planned = plan_at(address, find_study(study, overrides or []), request, results, timed_by)
    print_value(planned, as_json, show_plan)


@app.command(epilog="Example: rankfall simulate demo --world noisy --repeats 3")
def simulate(
    study: StudyArgument,
    overrides: SetOption = None,
    world: Annotated[
        WorldKind, typer.Option(help="What the simulated boundary is like.")
    ] = WorldKind.SMOOTH,
    seed_noise: Annotated[
        float | None,
        typer.Option(
            min=0.0,
            max=2.0,
            metavar="DECADES",
            help="How far seeds differ; default: 0.04, in the noisy world 0.2.",
        ),
    ] = None,
    repeats: Annotated[int, typer.Option(min=1, max=1000, help="Simulated worlds.")] = 5,
    as_json: JsonOption = False,
) -> None:
    """Say what a budget buys: the study's planner against simulated worlds, nothing trained.

    A quarter, half, once and twice the study's trials are tried on the same worlds, whose
    truth is known: width of the band, error, how often the band holds the truth.
    """
    from orchestrator.command_simulate import show_simulation, simulate_study  # noqa: PLC0415

    with refusing_bad_input():
        simulated = simulate_study(study, overrides or [], world, repeats, seed_noise)
    print_value(simulated, as_json, show_simulation)


@app.command(epilog="Example: rankfall report demo")
def report(
    study: DoneStudyArgument,
    results: ResultsOption = DEFAULT_RESULTS,
    as_json: JsonOption = False,
) -> None:
    """Make the report of a study again, from its ledger alone; it may still be running."""
    from orchestrator.command_read import rebuild_report  # noqa: PLC0415

    with refusing_bad_input():
        rebuild_report(study, results, Console(), as_json=as_json)


@app.command(epilog="Example: rankfall results demo --csv trials.csv")
def results(
    study: DoneStudyArgument,
    folder: ResultsOption = DEFAULT_RESULTS,
    as_json: JsonOption = False,
    csv: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write a row a trial as CSV; - prints it.")
    ] = None,
    parquet: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write a row a trial as Parquet.")
    ] = None,
) -> None:
    """Show what a study has found so far, from its ledger alone; --json gives map and outcomes."""
    from orchestrator.command_results import (  # noqa: PLC0415
        results_json,
        show_results,
        write_table,
    )

    with refusing_bad_input():
        if csv is not None:
            write_table(study, folder, csv)
        if parquet is not None:
            write_table(study, folder, parquet, parquet=True)
        if as_json:
            typer.echo(results_json(study, folder), nl=False)
        elif csv is None and parquet is None:
            Console().print(show_results(study, folder))


@app.command(epilog="Example: rankfall export demo demo-2026.zip")
def export(
    study: DoneStudyArgument,
    target: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="A new folder, or a new file NAME.zip.")
    ],
    results: ResultsOption = DEFAULT_RESULTS,
) -> None:
    """Put ledger, study text, report and tables of a study into one folder or .zip."""
    from orchestrator.command_results import export_study  # noqa: PLC0415

    with refusing_bad_input():
        for path in export_study(study, results, target):
            typer.echo(path)


@app.command(name="list", epilog="Example: rankfall list --json")
def list_studies(results: ResultsOption = DEFAULT_RESULTS, as_json: JsonOption = False) -> None:
    """List the studies of a results folder."""
    from orchestrator.command_read import list_results, show_results  # noqa: PLC0415

    with refusing_bad_input():
        rows = list_results(results)
    print_value(rows, as_json, show_results)


@app.command(epilog="Example: rankfall ui --port 5001")
def ui(
    results: ResultsOption = DEFAULT_RESULTS,
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port on this machine.")] = 5000,
) -> None:
    """Browse the runs in MLflow's own pages, on this machine only, until Ctrl-C."""
    from orchestrator.mlflow_server import serve_ui  # noqa: PLC0415
    from orchestrator.mlflow_store import locate_store  # noqa: PLC0415

    typer.echo("starting MLflow, this takes a few seconds ...", err=True)
    with refusing_bad_input():
        serve_ui(
            locate_store(results), lambda address: typer.echo(f"MLflow is at {address}"), port=port
        )


app.add_typer(cli_compare.app)
app.add_typer(cli_figure.app)
app.add_typer(cli_explain.app)
app.add_typer(cli_submit.app)
app.add_typer(cli_jobs.app)
app.add_typer(cli_serve.app)
app.add_typer(cli_doctor.app)
app.add_typer(cli_rerun.app)


def main() -> None:
    """Entry point of the console script."""
    app(prog_name="rankfall")
