"""All checks in order, and how they are shown."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from orchestrator.doctor import machine, services, versions
from orchestrator.doctor.finding import Finding, Health

_COLOURS = {Health.OK: "green", Health.WARN: "yellow", Health.FAIL: "red"}


@dataclass(frozen=True, slots=True)
class Patient:
    """What is looked at: folders, and the addresses that were named."""

    results: Path
    data: Path
    address: str | None
    store: str | None
    ports: tuple[tuple[str, int, str], ...] = (
        ("Ray", 6379, "--ray-port"),
        ("Ray's dashboard", 8265, "--dashboard-port"),
        ("MLflow", 5000, "--mlflow-port"),
    )


def examine(patient: Patient) -> Iterator[Finding]:
    """Yield what every check finds; none of them changes anything, or needs the one before."""
    yield versions.check_python()
    yield from versions.check_packages()
    yield machine.check_processors()
    yield machine.check_disk(patient.results)
    yield machine.check_shared_memory()
    for name, port, option in patient.ports:
        yield machine.check_port(name, port, option)
    yield from services.check_cluster(patient.address)
    yield services.check_mlflow(patient.results)
    yield services.check_store(patient.store)
    yield from services.check_data(patient.data)


def to_rows(findings: Sequence[Finding]) -> list[dict[str, Any]]:
    """Return findings as plain values."""
    return [asdict(finding) for finding in findings]


def show_findings(rows: Sequence[dict[str, Any]]) -> RenderableType:
    """Return findings as a table: what, how it is, what was found, how to mend it."""
    table = Table(box=None, pad_edge=False)
    for name in ("check", "", "found", "mend"):
        table.add_column(name, overflow="fold", no_wrap=name in ("check", ""))
    for row in rows:
        health = Health(row["health"])
        mark = Text(health.value, style=_COLOURS[health])
        table.add_row(row["check"], mark, Text(row["found"]), Text(row["mend"] or ""))
    return table
