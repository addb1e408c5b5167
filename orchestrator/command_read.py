"""The commands that run no trial: validate, report, list."""

from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import typer
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from orchestrator.errors import OrchestratorError
from orchestrator.folder import StudyFolder, find_studies
from orchestrator.ledger import Ledger
from orchestrator.record import TrialState
from orchestrator.report.terminal import summarise
from search_spaces.axis import RangeAxis
from search_spaces.errors import SearchSpaceError
from search_spaces.load import load_study
from search_spaces.study import Study

_LISTED = (
    "study",
    "question",
    "finished",
    "pending",
    "missing",
    "budget",
    "digest",
    "folder",
    "problem",
)


def find_study(name: str, overrides: Sequence[str]) -> Study:
    """Load a study file, or the study of that name that ships with Rankfall.

    Raises:
        StudyFileError: If there is none, or it is not valid.
    """
    return load_study(locate_study(name), overrides)


def locate_study(name: str) -> Path:
    """Return the path of a study file, which need not exist, or of a shipped study's."""
    path = Path(name)
    shipped = files("search_spaces") / "studies" / f"{name}.yaml"
    is_shipped = not path.exists() and not path.suffix and shipped.is_file()
    return Path(str(shipped)) if is_shipped else path


def describe_study(study: Study) -> RenderableType:
    """Return the study in one table: its question, its axes, its size."""
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_row("study", f"{study.name} ({study.digest})")
    table.add_row("question", f"{study.question}, answered by {study.planner}")
    for axis in study.axes:
        table.add_row("axis", Text(_describe_axis(axis.path, axis)))
    if study.prior is not None:
        table.add_row("prior", study.prior)
    table.add_row("replicates", str(study.replicates))
    table.add_row("budget", f"{study.budget.trials} trials")
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
    """Return one row for each study below ``results``; ``problem`` says why one is unreadable."""
    return [summarise_folder(folder) for folder in find_studies(results)]


def show_results(rows: Sequence[Mapping[str, Any]]) -> RenderableType:
    """Return the rows of :func:`list_results` as a table."""
    if not rows:
        return Text("no studies here yet; start one with: rankfall run demo")
    columns = [c for c in rows[0] if c != "problem" or any(row[c] for row in rows)]
    table = Table(box=None, pad_edge=False)
    for name in columns:
        is_text = name in ("study", "question", "problem")
        table.add_column(name, justify="left" if is_text else "right", overflow="fold")
    for row in rows:
        table.add_row(*[Text(show_value(row[column])) for column in columns])
    return table


def summarise_folder(folder: StudyFolder) -> dict[str, Any]:
    """Return how far a study is, from its ledger; ``problem`` says why it cannot be read."""
    row: dict[str, Any] = dict.fromkeys(_LISTED) | {"study": folder.path.name}
    row["folder"] = str(folder.path)
    try:
        ledger = Ledger.load(folder.ledger)
        states = [record.state for record in ledger.records()]
    except (OrchestratorError, SearchSpaceError) as error:
        # One unreadable folder must not hide the others.
        return row | {"problem": str(error).splitlines()[0]}
    return row | {
        "study": ledger.study.name,
        "question": str(ledger.study.question),
        "finished": states.count(TrialState.FINISHED),
        "pending": states.count(TrialState.PENDING),
        "missing": states.count(TrialState.MISSING),
        "budget": ledger.study.budget.trials,
        "digest": ledger.study.digest,
    }


def show_value(value: Any) -> str:
    """Return a value as people read it: short numbers, a dash for nothing."""
    match value:
        case None:
            return "-"
        case bool():
            return "yes" if value else "no"
        case float():
            return f"{value:.3g}"
        case _:
            return str(value)


def _describe_axis(path: str, axis: Any) -> str:
    if isinstance(axis, RangeAxis):
        return f"{path} from {axis.low:g} to {axis.high:g}{' (log)' if axis.log else ''}"
    return f"{path} in {', '.join(str(value) for value in axis.values)}"
