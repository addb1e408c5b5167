"""The commands that run no trial: validate, plan, report, list."""

import dataclasses
import time
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import torch
import typer
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from orchestrator.cohorts import group_cohorts
from orchestrator.folder import StudyFolder, find_studies
from orchestrator.ledger import Ledger
from orchestrator.planners.forecast import forecast
from orchestrator.planners.protocol import Proposal
from orchestrator.record import TrialState
from orchestrator.report.terminal import summarise
from search_spaces.axis import RangeAxis
from search_spaces.load import load_study
from search_spaces.study import Study
from trainer.loop import train_cohort

_PROBE_STEPS = 20
_PROBE_MEMBERS = 4


def find_study(name: str, overrides: Sequence[str]) -> Study:
    """Load a study file, or the study of that name that ships with Rankfall.

    Raises:
        StudyFileError: If there is none, or it is not valid.
    """
    path = Path(name)
    shipped = files("search_spaces") / "studies" / f"{name}.yaml"
    if not path.exists() and not path.suffix and shipped.is_file():
        path = Path(str(shipped))
    return load_study(path, overrides)


def describe_study(study: Study) -> RenderableType:
    """Return the study in one table: its question, its axes, its size."""
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_row("study", f"{study.name} ({study.digest})")
    table.add_row("question", f"{study.question}, answered by {study.planner}")
    for axis in study.axes:
        table.add_row("axis", Text(_describe_axis(axis.path, axis)))
    table.add_row("replicates", str(study.replicates))
    table.add_row("budget", f"{study.budget.trials} trials")
    return table


def plan_study(study: Study) -> dict[str, Any]:
    """Return what a study takes: the planner's forecast, and the time of a small probe here."""
    forecasted = forecast(study)
    seconds = _time_member_step(study)
    steps = study.settings_at(study.corner(study.kinds[0])).train.steps
    return {
        "study": study.name,
        **dataclasses.asdict(forecasted),
        "milliseconds_per_member_step": round(1000 * seconds, 3),
        "core_minutes": round(forecasted.trials * steps * seconds / 60, 2),
    }


def show_plan(plan: Mapping[str, Any]) -> RenderableType:
    """Return the plan as a table."""
    table = Table(box=None, show_header=False, pad_edge=False)
    for name, value in plan.items():
        table.add_row(name.replace("_", " "), "-" if value is None else f"{value}")
    return table


def rebuild_report(name: str, results: Path, console: Console, *, as_json: bool) -> None:
    """Write the report of a study anew and say what it says.

    Raises:
        LedgerError: If there is no such study below ``results``.
        ReportError: If the report cannot be written.
    """
    from orchestrator.report.write import write_report  # noqa: PLC0415 (two seconds)

    folder = StudyFolder(Path(name) if (Path(name) / "ledger.journal").exists() else results / name)
    ledger = Ledger.load(folder.ledger)
    records = ledger.records()
    written = write_report(ledger.study, records, ledger.provenance, folder.report)
    if as_json:
        typer.echo((folder.report / "collapse_map.json").read_text())
    else:
        console.print(summarise(ledger.study, records, written))


def list_results(results: Path) -> list[dict[str, Any]]:
    """Return one row for each study below ``results``."""
    return [_summarise_folder(folder) for folder in find_studies(results)]


def show_results(rows: Sequence[Mapping[str, Any]]) -> RenderableType:
    """Return the rows of :func:`list_results` as a table."""
    if not rows:
        return Text("no studies here yet; start one with: rankfall run demo")
    table = Table(box=None, pad_edge=False)
    for name in rows[0]:
        table.add_column(name, justify="left" if name in ("study", "question") else "right")
    for row in rows:
        table.add_row(*[str(value) for value in row.values()])
    return table


def _summarise_folder(folder: StudyFolder) -> dict[str, Any]:
    ledger = Ledger.load(folder.ledger)
    states = [record.state for record in ledger.records()]
    return {
        "study": ledger.study.name,
        "question": str(ledger.study.question),
        "finished": states.count(TrialState.FINISHED),
        "pending": states.count(TrialState.PENDING),
        "missing": states.count(TrialState.MISSING),
        "budget": ledger.study.budget.trials,
        "digest": ledger.study.digest,
        "folder": str(folder.path),
    }


def _describe_axis(path: str, axis: Any) -> str:
    if isinstance(axis, RangeAxis):
        return f"{path} from {axis.low:g} to {axis.high:g}{' (log)' if axis.log else ''}"
    return f"{path} in {', '.join(str(value) for value in axis.values)}"


def _time_member_step(study: Study) -> float:
    """Train a few members of every kind for a few steps here, on one thread."""
    torch.set_num_threads(1)
    proposals = [
        Proposal(study.corner(kind), replicate)
        for kind in study.kinds
        for replicate in range(_PROBE_MEMBERS)
    ]
    cohorts = group_cohorts(study, proposals)
    train = cohorts[0].train.model_copy(update={"steps": _PROBE_STEPS})
    cohort = cohorts[0].model_copy(update={"train": train})
    started = time.perf_counter()
    outcomes = train_cohort(cohort, device=torch.device("cpu"))
    return (time.perf_counter() - started) / sum(o.steps_done for o in outcomes)
