"""The commands that hand a study to a cluster: submit, resume, retry."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console, RenderableType

from orchestrator.cli_jobs import AddressOption, TargetArgument
from orchestrator.cli_options import (
    DEFAULT_RESULTS,
    EXIT_INTERRUPTED,
    RESULTS_VARIABLE,
    DoneStudyArgument,
    GpuFractionOption,
    JsonOption,
    LanesOption,
    LedgerOption,
    SetOption,
    StudyArgument,
    TrackOption,
    WorkersOption,
    refusing_bad_input,
)

if TYPE_CHECKING:
    from orchestrator.command_submit import Submitted

app = typer.Typer()

SharedResultsOption = Annotated[
    Path,
    typer.Option(
        "--results",
        metavar="FOLDER",
        envvar=RESULTS_VARIABLE,
        help="Absolute path on storage that the cluster's nodes see.",
    ),
]
PythonOption = Annotated[
    str | None,
    typer.Option(
        metavar="PATH",
        help="Interpreter on the cluster that has Rankfall; default: this one, if the cluster "
        "is on this machine.",
    ),
]
WorkingDirOption = Annotated[
    str | None,
    typer.Option(
        "--working-dir",
        metavar="FOLDER|URI",
        help="Ship this folder (or remote .zip) that holds the study; default: its text alone.",
    ),
]
RuntimeEnvOption = Annotated[
    Path | None,
    typer.Option("--runtime-env", metavar="FILE", help="Ray's runtime environment, as YAML."),
]
RuntimeEnvJsonOption = Annotated[
    str | None, typer.Option("--runtime-env-json", metavar="JSON", help="The same as JSON.")
]
CpusOption = Annotated[
    float | None,
    typer.Option("--entrypoint-num-cpus", min=0, help="CPUs set aside for the job's process."),
]
GpusOption = Annotated[
    float | None,
    typer.Option("--entrypoint-num-gpus", min=0, help="GPUs set aside for the job's process."),
]
MemoryOption = Annotated[
    int | None,
    typer.Option("--entrypoint-memory", min=0, help="Bytes set aside for the job's process."),
]
WaitOption = Annotated[
    bool, typer.Option("--wait", help="Show its log until it ends, and end with its exit code.")
]


@app.command(
    epilog="Example: rankfall submit demo --results /shared/maps --address http://head:8265"
)
def submit(  # noqa: PLR0913
    study: StudyArgument,
    *,
    overrides: SetOption = None,
    address: AddressOption = None,
    name: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Call the study so: short for --set study=NAME."),
    ] = None,
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
    wait: WaitOption = False,
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Submit at once: plan nothing, ask nobody.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Submit a study to a Ray cluster, as a job that needs this terminal no more.

    Shows what it will take (as 'rankfall plan' for that cluster) and asks first; where nobody can
    answer, nothing is submitted and the exit code is 2, unless -y. The job's id is STUDY-1,
    STUDY-2, ...; --results has to be an absolute path on storage that the cluster's nodes see. A
    cluster with token authentication gets the token of RAY_AUTH_TOKEN or RAY_AUTH_TOKEN_PATH.
    """
    with refusing_bad_input():
        from orchestrator.cluster_address import choose_address  # noqa: PLC0415
        from orchestrator.command_submit import submit_study  # noqa: PLC0415
        from orchestrator.job_options import (  # noqa: PLC0415
            JobOptions,
            read_runtime_env,
            require_python,
        )
        from orchestrator.lane_plan import LaneRequest  # noqa: PLC0415

        options = JobOptions(
            results=results,
            python=require_python(python),
            run_options=run_options(workers, lanes, gpu_fraction, track, ledger),
            working_dir=working_dir,
            runtime_env=read_runtime_env(runtime_env, runtime_env_json),
            entrypoint_num_cpus=entrypoint_num_cpus,
            entrypoint_num_gpus=entrypoint_num_gpus,
            entrypoint_memory=entrypoint_memory,
            lanes=LaneRequest(lanes, workers, gpu_fraction),
        )
        settings = [*(overrides or []), *([] if name is None else [f"study={name}"])]
        where = choose_address(address)
        submitted = submit_study(study, settings, options, where, None if yes else _confirm)
        if submitted is None:
            typer.echo("nothing was submitted", err=True)
            return
        _conclude(submitted, address, wait, as_json)


@app.command(epilog="Example: rankfall resume demo-1 --wait")
def resume(  # noqa: PLR0913
    target: TargetArgument,
    *,
    address: AddressOption = None,
    results: SharedResultsOption = DEFAULT_RESULTS,
    python: PythonOption = None,
    working_dir: WorkingDirOption = None,
    runtime_env_json: RuntimeEnvJsonOption = None,
    workers: WorkersOption = None,
    lanes: LanesOption = None,
    wait: WaitOption = False,
    as_json: JsonOption = False,
) -> None:
    """Submit a study once more, under the next id: it goes on with its ledger.

    What is not given again stays as it was submitted. Where the cluster has forgotten the job,
    for its head was started anew, the study is taken from its ledger below --results.
    """
    with refusing_bad_input():
        from orchestrator.cluster_address import choose_address  # noqa: PLC0415
        from orchestrator.command_submit import resume_study  # noqa: PLC0415
        from orchestrator.job_options import (  # noqa: PLC0415
            JobOptions,
            read_runtime_env,
            require_python,
        )

        options = JobOptions(
            results=results,
            python=require_python(python),
            run_options=run_options(workers, lanes),
            working_dir=working_dir,
            runtime_env=read_runtime_env(None, runtime_env_json),
        )
        submitted = resume_study(target, options, choose_address(address))
        _conclude(submitted, address, wait, as_json)


@app.command(epilog="Example: rankfall retry demo --failed")
def retry(
    study: DoneStudyArgument,
    failed: Annotated[
        bool, typer.Option("--failed", help="Try the trials again whose every attempt failed.")
    ] = False,
    address: AddressOption = None,
    results: SharedResultsOption = DEFAULT_RESULTS,
    python: PythonOption = None,
    wait: WaitOption = False,
    as_json: JsonOption = False,
) -> None:
    """Submit a study once more if trials of it are missing: they are tried again.

    Finished trials never run twice.
    """
    with refusing_bad_input():
        from orchestrator.cluster_address import choose_address  # noqa: PLC0415
        from orchestrator.command_submit import retry_study  # noqa: PLC0415
        from orchestrator.errors import JobError  # noqa: PLC0415
        from orchestrator.job_options import JobOptions, require_python  # noqa: PLC0415

        if not failed:
            raise JobError("say --failed: only missing trials are tried again, others are kept")
        options = JobOptions(results=results, python=require_python(python))
        submitted = retry_study(study, options, choose_address(address))
        if submitted is None:
            typer.echo(f"no trial of {study} is missing; nothing was submitted", err=True)
            return
        _conclude(submitted, address, wait, as_json)


def run_options(
    workers: int | None,
    lanes: int | None,
    gpu_fraction: float = 1.0,
    track: bool = True,
    ledger: str | None = None,
) -> tuple[str, ...]:
    """Return the options of ``rankfall run`` that are not its defaults.

    Raises:
        LedgerError: If the ledger's URL cannot be handed on.
    """
    words: list[str] = []
    if ledger is not None:
        from orchestrator.ledger_store import require_database  # noqa: PLC0415

        words += ["--ledger", require_database(ledger)]
    words += [] if workers is None else ["--workers", str(workers)]
    words += [] if lanes is None else ["--lanes", str(lanes)]
    words += [] if gpu_fraction == 1.0 else ["--gpu-fraction", str(gpu_fraction)]
    return tuple(words if track else [*words, "--no-mlflow"])


def _confirm(plan: RenderableType) -> bool:
    from orchestrator.errors import JobError  # noqa: PLC0415

    Console(stderr=True).print(plan)
    try:
        return typer.confirm("Submit it?", err=True)
    except typer.Abort:
        if sys.stdin.isatty():
            raise typer.Exit(EXIT_INTERRUPTED) from None
        raise JobError("nobody answered: -y submits without asking") from None


def _conclude(submitted: "Submitted", address: str | None, wait: bool, as_json: bool) -> None:
    """Say what was submitted and, if asked, follow it to its end."""
    from orchestrator.command_jobs import (  # noqa: PLC0415
        await_job,
        describe_submitted,
        show_submitted,
    )

    described = describe_submitted(submitted, address)
    typer.echo(json.dumps(described, indent=2) if as_json else show_submitted(described))
    if wait:
        raise typer.Exit(await_job(submitted.cluster, submitted.id, Console(stderr=True)))
