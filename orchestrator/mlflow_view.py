"""What MLflow shows of a study and of its trials: plain values, made from the ledger alone.

Everything here is a pure function of its arguments, time stamps included: making a view twice
gives equal views, which is what lets :mod:`orchestrator.tracking` log twice without a trace.
"""

import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from orchestrator.errors import TrackingError
from orchestrator.record import Provenance, TrialRecord, TrialState
from search_spaces.canonical import flatten
from search_spaces.measures import COUPLING_MEASURES
from search_spaces.study import Study
from trainer.cohort import Outcome

HISTORY_POINTS = 50
"""Points that are kept of one measure's history; the ledger has them all."""

TEXT_LIMIT = 4000
"""Characters that are kept of a tag; MLflow stores at most 8,000 bytes."""


@dataclass(frozen=True, slots=True)
class MetricPoint:
    """One value of a metric; ``timestamp`` in milliseconds since 1970."""

    key: str
    value: float
    timestamp: int
    step: int


@dataclass(frozen=True, slots=True)
class RunView:
    """One MLflow run.

    Attributes:
        status: MLflow's word: FINISHED or FAILED.
        start, end: Milliseconds since 1970.
        content: Digest of all of it; a run that carries another one is out of date.
    """

    name: str
    status: str
    start: int
    end: int
    params: Mapping[str, str]
    tags: Mapping[str, str]
    metrics: tuple[MetricPoint, ...]

    @property
    def content(self) -> str:
        """Digest of the whole view."""
        parts = (self.name, self.status, self.start, self.end, self.params, self.tags)
        return hashlib.sha256(repr((*parts, self.metrics)).encode()).hexdigest()[:16]


def view_trial(study: Study, record: TrialRecord) -> RunView:
    """Return the child run of a trial that finished or went missing.

    Raises:
        TrackingError: If a number is NaN or infinite, which MLflow's pages break on.
    """
    assert record.state is not TrialState.PENDING, "a pending trial has no run yet"
    start = milliseconds(record.asked_at)
    end = milliseconds(record.told_at or record.asked_at)
    settings = flatten(record.settings.model_dump(mode="json", by_alias=True))
    metrics = [MetricPoint(key, value, start, 0) for key, value in _numbers(settings).items()]
    if record.outcome is not None:
        metrics += _measured(record.outcome, start, end)
    for point in metrics:
        _check_finite(record.key, point)
    return RunView(
        name=name_trial(record),
        status="FINISHED" if record.state is TrialState.FINISHED else "FAILED",
        start=start,
        end=end,
        params={path: str(value) for path, value in settings.items()}
        | {"replicate": str(record.proposal.replicate), "seed": str(record.seed)},
        tags=_tag_trial(study, record),
        metrics=tuple(metrics),
    )


def name_trial(record: TrialRecord) -> str:
    """Return a short name, e.g. ``infonce tau=0.22 lr=3.1 r0``."""
    coordinates = dict(record.proposal.point.coordinates)
    coordinates.pop("objective.kind", None)
    ordered = sorted(coordinates.items(), key=lambda item: (item[0] == "lr", item[0]))
    words: list[str] = [record.settings.objective.kind]
    for path, value in ordered:
        name = path.rpartition(".")[2].replace("temperature", "tau")
        shown = f"{value:.3g}" if isinstance(value, float) else str(value)
        words.append(f"{name}={shown}")
    return " ".join([*words, f"r{record.proposal.replicate}"])


def name_measure(measure: str) -> str:
    """Return a measure's metric key.

    ``train/loss``, ``coupling/cka_features``, ``utility/knn_accuracy``, else ``collapse/...``.
    """
    if measure.startswith("train_"):
        return f"train/{measure.removeprefix('train_')}"
    if measure in COUPLING_MEASURES:
        return f"coupling/{measure}"
    return f"{'utility' if 'accuracy' in measure else 'collapse'}/{measure}"


def milliseconds(moment: datetime) -> int:
    """Return MLflow's time stamp of a moment."""
    return round(moment.timestamp() * 1000)


def tag_provenance(provenance: Provenance) -> dict[str, str]:
    """Return the tags that say which code made a run; MLflow links the commit."""
    commit, dirty, _ = (provenance.git_commit or "").partition("+dirty")
    tags = {"mlflow.source.type": "LOCAL", "mlflow.source.name": "rankfall"}
    if commit:
        tags |= {"mlflow.source.git.commit": commit, "rankfall.git_dirty": str(bool(dirty)).lower()}
    return tags


def _numbers(settings: Mapping[str, object]) -> dict[str, float]:
    """Pick the settings that users filter on by number: the learning rate and the objective's."""
    picked = {
        path.removeprefix("objective."): value
        for path, value in settings.items()
        if path == "lr" or path.startswith("objective.")
    }
    return {
        key: float(value)
        for key, value in picked.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    }


def _measured(outcome: Outcome, start: int, end: int) -> list[MetricPoint]:
    last = max(outcome.steps_done, 1)
    values = {(name, 0): value for name, value in outcome.initial.items()}
    for history in filter(None, (outcome.history, outcome.coupling)):
        for name, of_checks in history.values.items():
            values |= {(name, s): v for s, v in _decimate(history.steps, of_checks)}
    values |= {(name, outcome.steps_done): value for name, value in outcome.measures.items()}
    points = [
        MetricPoint(
            name_measure(name), value, start + (end - start) * min(step, last) // last, step
        )
        for (name, step), value in values.items()
    ]
    summary = {
        "score": outcome.score,
        "steps_done": float(outcome.steps_done),
        "seconds": outcome.seconds,
    }
    if outcome.diverged_at_step is not None:
        summary["diverged_at_step"] = float(outcome.diverged_at_step)
    return points + [
        MetricPoint(key, value, end, outcome.steps_done) for key, value in summary.items()
    ]


def _decimate(steps: Sequence[int], values: Sequence[float]) -> Iterable[tuple[int, float]]:
    """Keep at most HISTORY_POINTS pairs, evenly spaced, the first and the last among them."""
    count = len(values)
    kept = min(count, HISTORY_POINTS)
    picks = (round(i * (count - 1) / max(kept - 1, 1)) for i in range(kept))
    return [(steps[pick], values[pick]) for pick in picks]


def _tag_trial(study: Study, record: TrialRecord) -> dict[str, str]:
    tags = {
        "rankfall.role": "trial",
        "rankfall.study_digest": study.digest,
        "rankfall.trial_key": record.key,
        "rankfall.trial_number": str(record.number),
        "rankfall.round": str(record.round_number),
        "study": study.name,
        "objective": record.settings.objective.kind,
        "replicate": str(record.proposal.replicate),
        "regime": "missing" if record.outcome is None else record.outcome.regime.value,
    }
    if record.outcome is not None:
        tags["decided_early"] = str(record.outcome.decided_early).lower()
    if record.failure is not None:
        tags["failure"] = record.failure[:TEXT_LIMIT]
    return tags


def _check_finite(trial: str, point: MetricPoint) -> None:
    if not math.isfinite(point.value):
        raise TrackingError(
            f"trial {trial}: metric {point.key} at step {point.step} is {point.value}; a NaN is a "
            "regime, never a value, so this outcome is a bug: please report it"
        )
