"""Schedules and firings on the terminal."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

_NOTHING = "no schedule yet; begin with: rankfall schedule add demo --cron '0 2 * * *'"


def show_schedules(rows: Sequence[Mapping[str, Any]]) -> RenderableType:
    """Return schedules as a table."""
    if not rows:
        return Text(_NOTHING)
    table = _make_table("name", "study", "when", "next (UTC)", "latest")
    for row in rows:
        latest = row["latest"]
        table.add_row(
            row["name"],
            row["study"],
            f"{row['cron']} {row['tz']}" if row["cron"] else f"once, {_minute(row['at'])}",
            "paused" if row["is_paused"] else _minute(row["next_fire"]),
            "-" if latest is None else f"{latest['state']} {_minute(latest['fire_time'])}",
        )
    return table


def show_firings(rows: Sequence[Mapping[str, Any]]) -> RenderableType:
    """Return firings as a table."""
    if not rows:
        return Text("nothing has fired yet")
    table = _make_table("job", "state", "hours", "critical lr", "moved")
    table.add_column("reason", overflow="fold")
    for row in rows:
        hours = row["trial_hours"]
        table.add_row(
            row["job"],
            row["state"],
            "-" if hours is None else f"{hours:.2f}",
            _show_boundaries(row["boundaries"]),
            _show_moved(row),
            row["reason"] or "",
        )
    return table


def say_moved(row: Mapping[str, Any] | None) -> RenderableType:
    """Return in a line whether the boundary moved."""
    if row is None:
        return Text("nothing was compared yet: it takes two firings that ended well")
    if row["has_moved"]:
        return Text(f"{row['job']}: the critical learning rate moved: {row['moved']}")
    return Text(f"{row['job']}: the critical learning rate did not move")


def show_facts(facts: Mapping[str, Any]) -> RenderableType:
    """Return one thing, a line a fact; what it does not have is left out."""
    lines = []
    for name, value in facts.items():
        if value in (None, [], "", {}) or name == "text":
            continue
        label = name.replace("_", " ")
        values = value if isinstance(value, list) else [value]
        for place, one in enumerate(values):
            lines.append(f"{label if place == 0 else '':22} {_flat(one)}")
    return Text("\n".join(lines))


def _make_table(*names: str) -> Table:
    table = Table(box=None, pad_edge=False)
    for name in names:
        table.add_column(name, no_wrap=True, overflow="fold")
    return table


def _minute(moment: str | None) -> str:
    return "-" if moment is None else moment[:16].replace("T", " ")


def _flat(value: Any) -> str:
    if isinstance(value, Mapping):
        return " ".join(f"{name}={one}" for name, one in value.items() if one is not None)
    return str(value)


def _show_boundaries(boundaries: Sequence[Mapping[str, Any]]) -> str:
    shown = [
        one["verdict"] if one["critical_lr"] is None else f"{one['critical_lr']:.3g}"
        for one in boundaries[:3]
    ]
    more = [] if len(boundaries) <= 3 else [f"and {len(boundaries) - 3} more"]
    return ", ".join([*shown, *more]) or "-"


def _show_moved(row: Mapping[str, Any]) -> str:
    if row["has_moved"] is None:
        return "-"
    return str(row["moved"]) if row["has_moved"] else "no"
