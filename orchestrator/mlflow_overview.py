"""What MLflow shows of a study as a whole: the parent run's parameters, counts and note."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from orchestrator.mlflow_view import MetricPoint, milliseconds, tag_provenance
from orchestrator.record import Provenance, TrialRecord, TrialState
from search_spaces.axis import Axis, RangeAxis
from search_spaces.study import Study
from trainer.collapse.regime import Regime

MISSING = "missing"
NOTE = "mlflow.note.content"
"""The tag whose Markdown MLflow shows on top of a run or an experiment."""


class StudyStatus(StrEnum):
    """MLflow's word for where a study stands."""

    RUNNING = "RUNNING"
    FINISHED = "FINISHED"
    FAILED = "FAILED"
    KILLED = "KILLED"


@dataclass(frozen=True, slots=True)
class Overview:
    """The parent run of a study.

    Attributes:
        params: Fixed for ever: what the study's digest covers.
        tags: May change from sync to sync; the note is one of them.
        metrics: Counts of trials by regime, at ``step`` = trials told so far.
    """

    name: str
    start: int
    end: int
    params: Mapping[str, str]
    tags: Mapping[str, str]
    metrics: tuple[MetricPoint, ...]


def view_study(
    study: Study,
    records: Sequence[TrialRecord],
    provenance: Provenance,
    status: StudyStatus,
    answer: str = "",
) -> Overview:
    """Return the parent run of a study with at least one record.

    Args:
        answer: Markdown that says what was found, for the note.
    """
    counts = count_regimes(records)
    told = sum(counts.values())
    end = max(milliseconds(record.told_at or record.asked_at) for record in records)
    metrics = {f"trials/{name}": float(count) for name, count in counts.items()}
    metrics["trials/told"] = float(told)
    metrics["trials/budget"] = float(study.budget.trials)
    return Overview(
        name=f"{study.name} ({study.question})",
        start=min(milliseconds(record.asked_at) for record in records),
        end=end,
        params=_describe_settings(study),
        tags=tag_provenance(provenance)
        | {f"rankfall.version.{name}": text for name, text in provenance.versions.items()}
        | {
            "rankfall.role": "study",
            "rankfall.study_digest": study.digest,
            "rankfall.command": provenance.command,
            "rankfall.overrides": " ".join(study.overrides),
            "study": study.name,
            "question": study.question.value,
            "objective": ",".join(study.kinds),
            NOTE: write_note(study, counts, provenance, status, answer),
        },
        metrics=tuple(MetricPoint(key, value, end, told) for key, value in metrics.items()),
    )


def count_regimes(records: Sequence[TrialRecord]) -> dict[str, int]:
    """Count the finished trials of every regime, zeros included, and the missing ones."""
    found = Counter(
        MISSING if record.outcome is None else record.outcome.regime.value
        for record in records
        if record.state is not TrialState.PENDING
    )
    return {name: found[name] for name in (*(regime.value for regime in Regime), MISSING)}


def write_note(
    study: Study,
    counts: Mapping[str, int],
    provenance: Provenance,
    status: StudyStatus,
    answer: str = "",
) -> str:
    """Return the Markdown that MLflow shows on top of the parent run: the answer comes first."""
    done = sum(counts.values())
    regimes = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
    level = f"{study.collapse.metric} below {study.collapse.below:g}"
    lines = [
        *([answer, ""] if answer else []),
        f"**Question:** {study.question} by {study.planner}; collapsed means {level}.",
        "",
        "**Axes:**",
        *(f"- `{axis.path}`: {_describe_axis(axis)}" for axis in study.axes),
        "",
        f"**Status:** {status.lower()}, {done} of at most {study.budget.trials} trials"
        + (f" ({regimes})." if regimes else "."),
        "",
        f"**Again:** `{provenance.command}`",
    ]
    return "\n".join(lines)


def _describe_settings(study: Study) -> dict[str, str]:
    fixed = {path: str(value) for path, value in study.fixed}
    axes = {axis.path: _describe_axis(axis) for axis in study.axes}
    collapse = {
        f"collapse.{name}": str(value) for name, value in study.collapse.model_dump().items()
    }
    optimise = study.optimise.model_dump() if study.optimise else {}
    return {
        **collapse,
        **fixed,
        **axes,
        **{f"optimise.{name}": str(value) for name, value in optimise.items()},
        "study": study.name,
        "question": study.question.value,
        "planner": study.planner.value,
        "seeds": str(study.replicates),
        "seed": str(study.seed),
    }


def _describe_axis(axis: Axis) -> str:
    if isinstance(axis, RangeAxis):
        return f"{axis.low:g} to {axis.high:g}" + (", log" if axis.log else "")
    return ", ".join(str(value) for value in axis.values)
