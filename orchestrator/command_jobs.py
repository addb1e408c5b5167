"""``rankfall jobs``, ``status``, ``logs`` and ``cancel``: studies on a Ray cluster."""

import shlex
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console, JustifyMethod, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from orchestrator.errors import ClusterError
from orchestrator.folder import StudyFolder
from orchestrator.job import EXIT_INTERRUPTED, Job, JobState, find_job
from orchestrator.jobs import JobCluster
from orchestrator.mlflow_store import Store, locate_store

if TYPE_CHECKING:
    from orchestrator.command_submit import Submitted

_PROGRESS = ("finished", "pending", "missing", "budget")
_COLUMNS = ("id", "state", "submitted", "minutes", "trials", "missing", "reason")


def list_jobs(cluster: JobCluster) -> list[dict[str, Any]]:
    """Return a row for every study that Rankfall submitted to the cluster, the oldest first."""
    return [describe_job(job) for job in cluster.jobs()]


def list_active(cluster: JobCluster) -> list[dict[str, Any]]:
    """Return a row for every job that has not ended; the latest one where all have."""
    jobs = cluster.jobs()
    return [describe_job(job) for job in [j for j in jobs if not j.has_ended] or jobs[-1:]]


def describe_job(job: Job) -> dict[str, Any]:
    """Return a job as plain values; trials are counted where its ledger can be seen from here.

    ``minutes`` is how long it has run or ran, the wait for its start included.
    """
    row: dict[str, Any] = {
        "id": job.id,
        "study": job.study,
        "state": str(job.state),
        "submitted": _say_time(job.started_at),
        "ended": _say_time(job.ended_at),
        "minutes": _minutes(job),
        "exit_code": job.code if job.has_ended else None,
        "reason": job.reason,
        "digest": None,
        "results": None,
        **dict.fromkeys(_PROGRESS),
    }
    if job.request is None:
        return row
    folder = StudyFolder(Path(job.request.results) / job.study)
    row |= {"digest": job.request.digest, "results": str(folder.path)}
    if folder.ledger.is_file():
        # Loads torch: a listing of a cluster elsewhere need not wait for it.
        from orchestrator.command_read import summarise_folder  # noqa: PLC0415

        summary = summarise_folder(folder)
        row |= {name: summary[name] for name in _PROGRESS}
    return row


def show_jobs(rows: Sequence[Mapping[str, Any]]) -> RenderableType:
    """Return the rows as a table."""
    if not rows:
        return Text("no study was submitted to this cluster; begin with: rankfall submit demo")
    table = Table(box=None, pad_edge=False)
    for name in _COLUMNS:
        justify: JustifyMethod = "right" if name in ("minutes", "trials", "missing") else "left"
        table.add_column(name, justify=justify, overflow="fold", no_wrap=name != "reason")
    for row in rows:
        told = f"{row['finished']} of {row['budget']}" if row["budget"] else None
        cells = {**row, "trials": told, "submitted": (row["submitted"] or "")[:16]}
        table.add_row(*[Text(_cell(cells[name])) for name in _COLUMNS])
    return table


def show_job(row: Mapping[str, Any]) -> RenderableType:
    """Return one job, a line a fact."""
    table = Table(box=None, show_header=False, pad_edge=False)
    for name, value in row.items():
        if value is not None:
            table.add_row(name.replace("_", " "), Text(str(value)))
    return table


def print_log(cluster: JobCluster, target: str, *, follow: bool) -> None:
    """Print what a job says: so far, or until it ends."""
    job = find_job(target, cluster.jobs())
    if not follow:
        typer.echo(cluster.log(job.id), nl=False)
        return
    for chunk in cluster.follow(job.id):
        typer.echo(chunk, nl=False)


def cancel_job(cluster: JobCluster, target: str, screen: Console, *, wait: bool) -> None:
    """End a job well: checkpoints written, ledger and report up to date, MLflow told."""
    job = find_job(target, cluster.jobs())
    if job.has_ended:
        screen.print(f"{job.id} had ended already ({job.state})")
        return
    cluster.stop(job.id)  # False, if it ended meanwhile: that shows below
    if wait:
        with screen.status(f"{job.id} is ending"):
            job = cluster.wait(job.id)
        screen.print(f"{job.id} ended ({job.state}); finished trials are kept", soft_wrap=True)
    if job.state is not JobState.SUCCEEDED:
        screen.print(f"go on with: [bold]rankfall resume {escape(job.id)}[/]", soft_wrap=True)


def await_job(cluster: JobCluster, job_id: str, screen: Console) -> int:
    """Print what a job says until it ends, and return its exit code; Ctrl-C only stops looking.

    Raises:
        ClusterError: If the cluster is lost meanwhile.
    """
    try:
        for chunk in cluster.follow(job_id):
            typer.echo(chunk, nl=False)
        job = cluster.wait(job_id)
    except KeyboardInterrupt:
        stop = f"[bold]rankfall cancel {escape(job_id)}[/]"
        screen.print(f"{job_id} goes on without you; stop it with: {stop}", soft_wrap=True)
        return EXIT_INTERRUPTED
    except ClusterError as error:
        raise ClusterError(
            f"{error} What {job_id} had finished is kept: once there is a cluster again, go on "
            f"with 'rankfall resume {job_id}'"
        ) from error
    reason = "" if job.reason is None else f": {job.reason}"
    screen.print(escape(f"{job_id} ended ({job.state}){reason}"), soft_wrap=True)
    return job.code


def describe_submitted(submitted: "Submitted", address: str | None) -> dict[str, Any]:
    """Return the id of a new job, where to look, and what to type next."""
    job_id, request = submitted.id, submitted.request
    where = "" if address is None else f" --address {address}"
    return {
        "id": job_id,
        "study": request.study,
        "cluster": f"{submitted.cluster.url}/#/jobs/{job_id}",
        "results": str(Path(request.results) / request.study),
        "mlflow": find_mlflow(request.study, request.tracking_uri, request.results),
        "next": [
            f"rankfall logs {job_id} -f{where}",
            f"rankfall status {job_id}{where}",
            f"rankfall cancel {job_id}{where}",
            f"rankfall results {request.study} --results {shlex.quote(request.results)}",
        ],
    }


def show_submitted(described: Mapping[str, Any]) -> str:
    """Return what :func:`describe_submitted` says, a line a fact; unfolded, to be copied."""
    facts = [(name, described[name]) for name in ("id", "cluster", "results", "mlflow")]
    first, *others = described["next"]
    facts += [("next", first), *(("", command) for command in others)]
    return "\n".join(f"{name:8} {fact}" for name, fact in facts)


def find_mlflow(study: str, tracking_uri: str | None, results: str) -> str:
    """Return where to browse a study's runs: a server's address, or the command that starts one."""
    root = Path(results)
    store = locate_store(root, {}) if tracking_uri is None else Store(tracking_uri, None)
    if store.is_server:
        return f"{store.redacted} (experiment rankfall/{study})"
    return f"rankfall ui --results {shlex.quote(results)}"


def _cell(value: object) -> str:
    return "-" if value is None else str(value)


def _say_time(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat(timespec="seconds")


def _minutes(job: Job) -> float | None:
    if job.started_at is None:
        return None
    return round(((job.ended_at or datetime.now(UTC)) - job.started_at).total_seconds() / 60, 1)
