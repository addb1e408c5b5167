"""``rankfall explain``: the numbers of a study's report, and what lies behind each."""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from orchestrator.audit.explanation import (
    Explanation,
    catalogue_of,
    explain_number,
    find_number,
)
from orchestrator.audit.number import Family, Number, Value
from orchestrator.audit.tracked import TrackedRuns, find_runs
from orchestrator.cli_options import DEFAULT_RESULTS
from orchestrator.command_results import open_ledger
from orchestrator.report.wording import describe_point, format_number, name_regime

MOST_TRIALS = 20
_UNKNOWN = "not recorded"


def list_study(name: str, results: Path) -> tuple[Number, ...]:
    """Return every number of a study's report.

    Raises:
        LedgerError: If there is no such study below ``results``.
    """
    return catalogue_of(open_ledger(name, results))


def explain_study(name: str, results: Path, wanted: str, *, track: bool) -> Explanation:
    """Return what lies behind one number of a study.

    Raises:
        LedgerError: If there is no such study below ``results``.
        ExplainError: If it has no such number.
        TrackingError: If the environment names an MLflow store that there cannot be.
    """
    ledger = open_ledger(name, results)
    number = find_number(catalogue_of(ledger), wanted, name)
    tracked = find_runs(ledger, results) if track else TrackedRuns(note="not looked for")
    return explain_number(ledger, number, tracked)


def repeat_command(explanation: Explanation, name: str, results: Path) -> str:
    """Return the command that makes a number again.

    One trial is trained again; a number of several trials is made of them by the report, and each
    of them can be trained again.
    """
    where = [] if results == DEFAULT_RESULTS else ["--results", str(results)]
    if len(explanation.trials) == 1:
        return shlex.join(["rankfall", "rerun", name, str(explanation.trials[0].number), *where])
    return shlex.join(["rankfall", "report", name, *where])


def list_content(numbers: Sequence[Number]) -> list[dict[str, Any]]:
    """Return numbers as plain data, for ``--json``."""
    return [
        {"id": n.id, "what": n.what, "value": n.value, "trials": len(n.trials)} for n in numbers
    ]


def explanation_content(explanation: Explanation, name: str, results: Path) -> dict[str, Any]:
    """Return an explanation as plain data, for ``--json``."""
    number, provenance = explanation.number, explanation.provenance
    return {
        "id": number.id,
        "what": number.what,
        "value": number.value,
        "study": explanation.study.name,
        "study_digest": explanation.study.digest,
        "git_commit": provenance.git_commit,
        "lock_digest": provenance.lock_digest,
        "data_digest": provenance.data_digest,
        "versions": provenance.versions,
        "command": repeat_command(explanation, name, results),
        "study_command": provenance.command,
        "seeds": list(explanation.seeds),
        "mlflow_note": explanation.tracked.note,
        "trials": [
            {
                "number": trial.number,
                "key": trial.key,
                "seed": trial.seed,
                "state": trial.state.value,
                "mlflow_run": explanation.tracked.runs.get(trial.key),
            }
            for trial in explanation.trials
        ],
    }


def show_list(numbers: Sequence[Number], name: str) -> RenderableType:
    """Return the numbers but for those of single trials, which are told in one line."""
    own = [n for n in numbers if not n.id.startswith(f"{Family.TRIAL}-")]
    table = Table(box=None, pad_edge=False)
    table.add_column("id", no_wrap=True)
    table.add_column("value", justify="right", overflow="fold")
    table.add_column("what", overflow="fold")
    for number in own:
        table.add_row(Text(number.id), Text(say_value(number.value)), Text(number.what))
    rest = len(numbers) - len(own)
    return Group(
        table,
        Text(f"{rest:,} more of single trials: --json lists them, the report shows them."),
        Text(f"What lies behind one: rankfall explain {name} ID"),
    )


def show_explanation(explanation: Explanation, name: str, results: Path) -> RenderableType:
    """Return a number with all that lies behind it."""
    number, provenance = explanation.number, explanation.provenance
    facts = Table(box=None, show_header=False, pad_edge=False)
    facts.add_column(no_wrap=True)
    facts.add_column(overflow="fold")
    rows = (
        ("number", number.id),
        ("what", number.what),
        ("value", say_value(number.value)),
        ("trials", f"{len(explanation.trials):,}"),
        ("seeds", ", ".join(map(str, explanation.seeds)) or "-"),
        ("study digest", explanation.study.digest),
        ("code commit", provenance.git_commit or "installed without git"),
        ("lock digest", provenance.lock_digest or _UNKNOWN),
        ("data digest", provenance.data_digest or _UNKNOWN),
        ("MLflow", explanation.tracked.note or f"{len(explanation.tracked.runs):,} runs"),
        ("made by", provenance.command),
        ("again", repeat_command(explanation, name, results)),
    )
    for row in rows:
        facts.add_row(*map(Text, row))
    return Group(facts, *_show_trials(explanation, name))


def say_value(value: Value) -> str:
    """Return a value in words."""
    match value:
        case None:
            return "none"
        case tuple():
            return " to ".join(say_value(end) for end in value)
        case float():
            return format_number(value, 4)
        case int():
            return f"{value:,}"
        case str():
            return value


def _show_trials(explanation: Explanation, name: str) -> list[RenderableType]:
    if not explanation.trials:
        return []
    table = Table(box=None, pad_edge=False)
    has_runs = bool(explanation.tracked.runs)
    table.add_column("trial", justify="right")
    for heading in ("seed", "point", "ended", *(["MLflow run"] if has_runs else [])):
        table.add_column(heading, overflow="fold")
    for trial in explanation.trials[:MOST_TRIALS]:
        outcome = trial.outcome
        ended = trial.state.value if outcome is None else name_regime(outcome.regime)
        cells = [str(trial.number), str(trial.seed), describe_point(trial.proposal.point), ended]
        cells += [explanation.tracked.runs.get(trial.key, "-")] if has_runs else []
        table.add_row(*map(Text, cells))
    rest = len(explanation.trials) - MOST_TRIALS
    notes = [f"{rest:,} more trials; --json lists all."] if rest > 0 else []
    if len(explanation.trials) > 1:
        notes.append(f"Each of them again, alone: rankfall rerun {name} TRIAL")
    return [Text(), table, *map(Text, notes)]
