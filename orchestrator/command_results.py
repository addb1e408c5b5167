"""``rankfall results`` and ``export``: what a ledger says, without training or cluster."""

import dataclasses
import json
import shutil
import sys
import tempfile
from pathlib import Path

from rich.console import RenderableType

from orchestrator.collapse_map import build_map
from orchestrator.errors import FolderError, ReportError
from orchestrator.folder import LEDGER_NAME, StudyFolder
from orchestrator.ledger import Ledger
from orchestrator.ledger_store import copy_journal
from orchestrator.map_file import to_json
from orchestrator.report.tables import tabulate_trials, to_csv, to_parquet
from orchestrator.report.terminal import summarise
from orchestrator.report.write import write_report
from trainer.durable import write_durably

STANDARD_OUTPUT = Path("-")


def show_results(name: str, results: Path) -> RenderableType:
    """Return a study's answer and map as its ledger has them now; it may still be running.

    Raises:
        LedgerError: If there is no such study below ``results``.
    """
    ledger = open_ledger(name, results)
    return summarise(ledger.study, ledger.records())


def results_json(name: str, results: Path) -> str:
    """Return the collapse map with every outcome, as ``collapse_map.json`` has it.

    Raises:
        LedgerError: As :func:`show_results`.
    """
    ledger = open_ledger(name, results)
    return to_json(build_map(ledger.study, ledger.records()))


def write_table(name: str, results: Path, file: Path, *, parquet: bool = False) -> None:
    """Write one row a trial, as CSV or Parquet; to standard output for ``-``.

    Raises:
        LedgerError: As :func:`show_results`.
        ReportError: If the file cannot be written.
    """
    ledger = open_ledger(name, results)
    frame = tabulate_trials(ledger.study, ledger.records())
    content = to_parquet(frame) if parquet else to_csv(frame)
    if file == STANDARD_OUTPUT:
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
        return
    try:
        write_durably(file, content)
    except OSError as error:
        raise ReportError(f"{file}: cannot be written ({error.strerror})") from error


def export_study(name: str, results: Path, target: Path) -> list[Path]:
    """Put all that a study is into one folder, or a ``.zip``: nothing else is needed to read it.

    Its ledger (which plain Optuna opens), its text, where its numbers come from, and the report
    and tables made anew. A running study is exported as it stands.

    Returns:
        The files, or the archive.

    Raises:
        LedgerError: As :func:`show_results`.
        FolderError: If ``target`` exists with something in it, or cannot be written.
    """
    open_ledger(name, results)
    source = find_folder(name, results)
    if target.is_file() or (target.is_dir() and any(target.iterdir())):
        raise FolderError(f"{target}: exists already; choose another name to export to")
    try:
        if target.suffix == ".zip":
            return [_write_archive(source, target)]
        return _fill(source, target)
    except OSError as error:
        raise FolderError(f"{target}: cannot be written ({error.strerror})") from error


def open_ledger(name: str, results: Path) -> Ledger:
    """Open a study's ledger, to read it.

    Raises:
        LedgerError: If there is none, or it is not one that Rankfall wrote.
    """
    return Ledger.load(find_folder(name, results).ledger)


def find_folder(name: str, results: Path) -> StudyFolder:
    """Return the folder of a study: below ``results``, or named by its own path."""
    own = StudyFolder(Path(name))
    return own if own.ledger.is_file() else StudyFolder(results / name)


def _write_archive(source: StudyFolder, target: Path) -> Path:
    with tempfile.TemporaryDirectory(dir=target.absolute().parent, prefix=".export-") as folder:
        inside = Path(folder) / "content" / target.stem
        _fill(source, inside)
        made = shutil.make_archive(f"{folder}/archive", "zip", inside.parent, target.stem)
        Path(made).replace(target)
    return target


def _fill(source: StudyFolder, folder: Path) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    copy = folder / LEDGER_NAME
    copy_journal(source.ledger, copy)
    ledger = Ledger.load(copy)
    study = ledger.study
    about = {
        "study": study.name,
        "digest": study.digest,
        "overrides": list(study.overrides),
        **dataclasses.asdict(ledger.provenance),
    }
    write_durably(folder / "study.yaml", study.source_text.encode())
    write_durably(folder / "about.json", (json.dumps(about, indent=1) + "\n").encode())
    report = write_report(study, ledger.records(), ledger.provenance, folder / "report")
    return [copy, folder / "study.yaml", folder / "about.json", *report]
