"""``rankfall schedule ...``: studies submitted by the clock.

``schedule check`` ends with 0 if the boundary stayed where it was, 1 if it moved, 3 if there is
nothing to compare yet.
"""

from typing import Annotated, Any

import typer
from rich.console import Console

from orchestrator.cli_options import (
    DEFAULT_RESULTS,
    GpuFractionOption,
    JsonOption,
    LanesOption,
    LedgerOption,
    SetOption,
    StudyArgument,
    TrackOption,
    WorkersOption,
    print_value,
    refusing_bad_input,
)
from orchestrator.cli_submit import (
    CpusOption,
    GpusOption,
    MemoryOption,
    PythonOption,
    RuntimeEnvJsonOption,
    RuntimeEnvOption,
    SharedResultsOption,
    WorkingDirOption,
)
from orchestrator.schedule.misfire import Misfire
from orchestrator.schedule.schedule import Overlap

EXIT_MOVED, EXIT_NOTHING_COMPARED = 1, 3

app = typer.Typer(
    name="schedule",
    help="Studies that 'rankfall serve' submits by the clock.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    epilog='Example: rankfall schedule add demo --cron "0 2 * * *" --tz Europe/Berlin',
)

StoreOption = Annotated[
    str | None,
    typer.Option(
        "--store",
        metavar="URL",
        help="Where schedules are kept: sqlite:////absolute/path.db or postgresql://...; default: "
        "RANKFALL_STORE, else a file in your data folder.",
    ),
]
NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="A schedule's name.")]


@app.command(
    epilog='Example: rankfall schedule add demo --cron "0 2 * * *" --tz Europe/Berlin '
    "--results /shared/maps --alert-if-moved 0.2"
)
def add(  # noqa: PLR0913
    study: StudyArgument,
    *,
    cron: Annotated[
        str | None,
        typer.Option(metavar="LINE", help="minute hour day month weekday; six: seconds first."),
    ] = None,
    at: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="Once: 2027-01-31T02:00, or now (as soon as possible)."),
    ] = None,
    tz: Annotated[
        str, typer.Option("--tz", metavar="ZONE", help="Time zone of all times, IANA name.")
    ] = "UTC",
    name: Annotated[
        str | None, typer.Option(metavar="NAME", help="The schedule's; default: the study's.")
    ] = None,
    overlap: Annotated[
        Overlap,
        typer.Option(
            help="If an earlier firing has not ended: skip the new one, let it wait, or cancel "
            "the earlier one for it."
        ),
    ] = Overlap.FORBID,
    misfire: Annotated[
        Misfire,
        typer.Option(
            help="Times more than a minute past when a scheduler comes up: drop them, or make up "
            "for all of them once."
        ),
    ] = Misfire.ONCE,
    until: Annotated[
        str | None, typer.Option(metavar="TIME", help="Fire no later than this.")
    ] = None,
    alert_if_moved: Annotated[
        float | None,
        typer.Option(
            min=0.0,
            metavar="DECADES",
            help="Say so if the bands of a critical learning rate and the firing's before lie "
            "further apart than this.",
        ),
    ] = None,
    priority: Annotated[int, typer.Option(help="Higher ones leave the queue first.")] = 0,
    overrides: SetOption = None,
    results: SharedResultsOption = DEFAULT_RESULTS,
    python: PythonOption = None,
    working_dir: WorkingDirOption = None,
    runtime_env: RuntimeEnvOption = None,
    runtime_env_json: RuntimeEnvJsonOption = None,
    entrypoint_num_cpus: CpusOption = None,
    entrypoint_num_gpus: GpusOption = None,
    entrypoint_memory: MemoryOption = None,
    workers: WorkersOption = None,
    lanes: LanesOption = None,
    gpu_fraction: GpuFractionOption = 1.0,
    ledger: LedgerOption = None,
    track: TrackOption = True,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Submit a study at times to come; needs 'rankfall serve' to be running then.

    The study is kept as it reads now, and so is the runtime environment: whoever reads the store
    reads secrets in it. Each firing has results of its own, below
    RESULTS/schedules/NAME/TIME, and the job id STUDY-NAME-TIME.
    """
    with refusing_bad_input():
        from orchestrator.cli_submit import run_options  # noqa: PLC0415
        from orchestrator.command_schedule import Wish, add_schedule, open_store  # noqa: PLC0415
        from orchestrator.job_options import (  # noqa: PLC0415
            JobOptions,
            read_runtime_env,
            require_python,
        )

        options = JobOptions(
            results=results,
            python=require_python(python),
            run_options=run_options(workers, lanes, gpu_fraction, track, ledger),
            working_dir=working_dir,
            runtime_env=read_runtime_env(runtime_env, runtime_env_json),
            entrypoint_num_cpus=entrypoint_num_cpus,
            entrypoint_num_gpus=entrypoint_num_gpus,
            entrypoint_memory=entrypoint_memory,
        )
        wish = Wish(name, cron, at, tz, overlap, misfire, until, alert_if_moved, priority)
        added = add_schedule(open_store(store), study, overrides or [], options, wish)
        _print_facts(added, as_json)
    typer.echo("it needs a running scheduler: rankfall serve", err=True)


@app.command(name="list", epilog="Example: rankfall schedule list --json")
def list_(store: StoreOption = None, as_json: JsonOption = False) -> None:
    """List the schedules: when each fires next, and how its latest firing stands."""
    with refusing_bad_input():
        from orchestrator.command_schedule import list_schedules, open_store  # noqa: PLC0415
        from orchestrator.schedule.display import show_schedules  # noqa: PLC0415

        print_value(list_schedules(open_store(store)), as_json, show_schedules)


@app.command(epilog="Example: rankfall schedule show demo")
def show(name: NameArgument, store: StoreOption = None, as_json: JsonOption = False) -> None:
    """Show one schedule, with the next times at which it fires."""
    with refusing_bad_input():
        from orchestrator.command_schedule import open_store, show_one  # noqa: PLC0415

        _print_facts(show_one(open_store(store), name), as_json)


@app.command(epilog="Example: rankfall schedule history demo --last 10")
def history(
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="A schedule; default: all.")
    ] = None,
    last: Annotated[int | None, typer.Option(min=1, metavar="N", help="Only the latest N.")] = None,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """List firings: what became of each, what it found, how far the boundary moved."""
    with refusing_bad_input():
        from orchestrator.command_schedule import list_history, open_store  # noqa: PLC0415
        from orchestrator.schedule.display import show_firings  # noqa: PLC0415

        print_value(list_history(open_store(store), name, last), as_json, show_firings)


@app.command(epilog="Example: rankfall schedule check demo || mail -s 'demo moved' me")
def check(name: NameArgument, store: StoreOption = None, as_json: JsonOption = False) -> None:
    """Say whether the boundary moved at the latest firing that could be compared.

    Ends with 0 if it did not, 1 if it did, 3 if nothing was compared yet.
    """
    with refusing_bad_input():
        from orchestrator.command_schedule import check_moved, open_store  # noqa: PLC0415
        from orchestrator.schedule.display import say_moved  # noqa: PLC0415

        compared = check_moved(open_store(store), name)
        print_value(compared, as_json, say_moved)
    if compared is None:
        raise typer.Exit(EXIT_NOTHING_COMPARED)
    raise typer.Exit(EXIT_MOVED if compared["has_moved"] else 0)


@app.command(epilog="Example: rankfall schedule pause demo")
def pause(name: NameArgument, store: StoreOption = None) -> None:
    """Let a schedule's times pass by; what waits or runs goes on."""
    with refusing_bad_input():
        from orchestrator import command_schedule  # noqa: PLC0415

        command_schedule.pause(command_schedule.open_store(store), name)
        typer.echo(f"{name} is paused; go on with: rankfall schedule resume {name}")


@app.command(epilog="Example: rankfall schedule resume demo")
def resume(name: NameArgument, store: StoreOption = None) -> None:
    """Let a paused schedule go on with its next time; those that passed are not made up for."""
    with refusing_bad_input():
        from orchestrator import command_schedule  # noqa: PLC0415

        next_fire = command_schedule.resume(command_schedule.open_store(store), name)
        typer.echo(f"{name} fires next at {next_fire}" if next_fire else f"{name} fires no more")


@app.command(epilog="Example: rankfall schedule rm demo")
def rm(name: NameArgument, store: StoreOption = None) -> None:
    """Remove a schedule and what waits of it; its history stays, what runs goes on."""
    with refusing_bad_input():
        from orchestrator import command_schedule  # noqa: PLC0415

        running = command_schedule.remove(command_schedule.open_store(store), name)
        typer.echo(f"{name} is removed")
        for job_id in running:
            typer.echo(f"{job_id} runs on; stop it with: rankfall cancel {job_id}")


@app.command(name="run-now", epilog="Example: rankfall schedule run-now demo")
def run_now(name: NameArgument, store: StoreOption = None, as_json: JsonOption = False) -> None:
    """Queue a firing of a schedule now, also of a paused one."""
    with refusing_bad_input():
        from orchestrator import command_schedule  # noqa: PLC0415

        queued = command_schedule.run_now(command_schedule.open_store(store), name)
        _print_facts(queued, as_json)


@app.command(epilog="Example: rankfall schedule limits --studies 2 --trial-hours 24")
def limits(
    studies: Annotated[
        int | None, typer.Option(min=1, help="Studies at work on the cluster at a time.")
    ] = None,
    trial_hours: Annotated[
        float | None,
        typer.Option(
            min=0,
            help="Nothing starts while the last 24 hours took as many hours of training, summed "
            "over trials; 0: no limit.",
        ),
    ] = None,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show or change how much may run; at first: one study at a time, any number of hours."""
    with refusing_bad_input():
        from orchestrator.command_schedule import change_limits, open_store  # noqa: PLC0415

        _print_facts(change_limits(open_store(store), studies, trial_hours), as_json)


def _print_facts(facts: dict[str, Any], as_json: bool) -> None:
    from orchestrator.schedule.display import show_facts  # noqa: PLC0415

    if as_json:
        print_value(facts, True, show_facts)
    else:
        Console(soft_wrap=True).print(show_facts(facts))
