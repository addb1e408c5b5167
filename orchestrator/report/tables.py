"""``trials.csv`` and ``trials.parquet``: one row a trial, sorted by key.

Columns: what identifies the trial; every axis of the study by its dotted path; the outcome; final
measures as ``final.NAME`` and those before the first step as ``initial.NAME``. ``lr`` is always
there. Whatever a trial has not is empty, never zero.
"""

from collections.abc import Sequence
from io import BytesIO
from typing import Any

import pandas as pd

from orchestrator.record import TrialRecord
from search_spaces.point import Value
from search_spaces.study import KIND, Study

Cell = Value | None

COLUMN_DTYPES = {
    "trial": "string",
    "number": "Int64",
    "round": "Int64",
    "state": "string",
    "replicate": "Int64",
    "seed": "Int64",
    "lr": "Float64",
    "regime": "string",
    "score": "Float64",
    "is_collapsed": "boolean",
    "steps_done": "Int64",
    "decided_early": "boolean",
    "early_regime": "string",
    "diverged_at_step": "Int64",
    "pruned_at_step": "Int64",
    "seconds": "Float64",
    "failure": "string",
}
FIXED_OUTCOME_COLUMNS = (
    "regime",
    "score",
    "is_collapsed",
    "steps_done",
    "decided_early",
    "early_regime",
    "diverged_at_step",
    "pruned_at_step",
    "seconds",
)

LEADING = ("trial", "number", "round", "state", "replicate", "seed", "lr", KIND)


def tabulate_trials(study: Study, records: Sequence[TrialRecord]) -> pd.DataFrame:
    """Return all trials as a frame, unfinished ones included."""
    rows = [_row(record) for record in sorted(records, key=lambda record: record.key)]
    columns = list(LEADING) + sorted({axis.path for axis in study.axes} - set(LEADING))
    columns += [name for name in _outcome_columns(rows) if name not in columns]
    frame = pd.DataFrame(rows, columns=columns)
    return frame.astype({name: _choose_dtype(name, frame[name]) for name in columns})


def to_csv(frame: pd.DataFrame) -> bytes:
    """Return the frame as CSV (UTF-8, numbers by shortest round trip, empty for missing)."""
    text: str = frame.to_csv(index=False, lineterminator="\n")
    return text.encode()


def to_parquet(frame: pd.DataFrame) -> bytes:
    """Return the frame as Parquet."""
    buffer = BytesIO()
    frame.to_parquet(buffer, index=False)
    return buffer.getvalue()


def _row(record: TrialRecord) -> dict[str, Cell]:
    row: dict[str, Cell] = {
        "trial": record.key,
        "number": record.number,
        "round": record.round_number,
        "state": record.state.value,
        "replicate": record.proposal.replicate,
        "seed": record.seed,
        **dict(record.proposal.point.coordinates),
        "lr": record.settings.lr,
        KIND: record.settings.objective.kind,
    }
    return row | _outcome_cells(record) | {"failure": record.failure}


def _outcome_cells(record: TrialRecord) -> dict[str, Cell]:
    outcome = record.outcome
    if outcome is None:
        return dict.fromkeys(FIXED_OUTCOME_COLUMNS)
    early = outcome.early_regime
    cells: dict[str, Cell] = {
        "regime": outcome.regime.value,
        "score": outcome.score,
        "is_collapsed": outcome.is_collapsed,
        "steps_done": outcome.steps_done,
        "decided_early": outcome.decided_early,
        "early_regime": None if early is None else early.value,
        "diverged_at_step": outcome.diverged_at_step,
        "pruned_at_step": outcome.pruned_at_step,
        "seconds": outcome.seconds,
    }
    assert tuple(cells) == FIXED_OUTCOME_COLUMNS
    cells |= {f"final.{name}": value for name, value in outcome.measures.items()}
    return cells | {f"initial.{name}": value for name, value in outcome.initial.items()}


def _outcome_columns(rows: Sequence[dict[str, Cell]]) -> list[str]:
    measured = {name for row in rows for name in row if name.startswith(("final.", "initial."))}
    return [*FIXED_OUTCOME_COLUMNS, *sorted(measured), "failure"]


def _choose_dtype(name: str, column: "pd.Series[Any]") -> str:
    """Return a nullable type that depends on what a column is, hardly on what is in it."""
    if name in COLUMN_DTYPES:
        return COLUMN_DTYPES[name]
    if name.startswith(("final.", "initial.")):
        return "Float64"
    match pd.api.types.infer_dtype(column.astype(object), skipna=True):
        case "boolean":
            return "boolean"
        case "integer":
            return "Int64"
        case "floating" | "mixed-integer-float":
            return "Float64"
        case _:
            return "string"
