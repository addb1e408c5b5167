"""Synthetic studies and ledger records over an analytic collapse surface: no training.

Effective rank falls smoothly from 24 to 1 round a critical learning rate
``c(kind, temperature)`` that every replicate shifts by a few hundredths of a decade.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from math import log10

import numpy as np

from orchestrator.planners.protocol import Proposal
from orchestrator.record import Provenance, TrialRecord, TrialState
from search_spaces.axis import Axis, ChoiceAxis, RangeAxis
from search_spaces.point import Point
from search_spaces.study import Budget, OptimiseSettings, PlannerKind, Question, Study
from trainer.cohort import History, Outcome
from trainer.collapse.regime import Regime
from trainer.settings import CollapseSettings

Surface = Callable[[Point], float]

FIXED = (
    ("data.source", "digits"),
    ("model.embed_dim", 32),
    ("model.encoder", "mlp"),
    ("objective.kind", "infonce"),
    ("objective.temperature", 0.1),
    ("train.batch_size", 256),
    ("train.steps", 300),
)
LR_AXIS = RangeAxis("lr", 1e-2, 100.0, log=True)
KIND_AXIS = ChoiceAxis("objective.kind", ("infonce", "supcon", "clop"))
TEMPERATURE_AXIS = RangeAxis("objective.temperature", 0.05, 1.0, log=True)
HIGHEST_RANK = 24.0
SHIFTS = (-0.04, 0.0, 0.05)
STEPS = 300
PROVENANCE = Provenance(
    git_commit="0123abc+dirty",
    versions={"rankfall": "0.1.0", "torch": "2.13.0", "ray": "2.60.0"},
    command="rankfall run demo.yaml",
)


def make_study(
    axes: Sequence[Axis] = (LR_AXIS, KIND_AXIS, TEMPERATURE_AXIS),
    question: Question = Question.BOUNDARY,
    name: str = "demo",
) -> Study:
    """Return a study over ``axes``; what is not an axis is fixed."""
    paths = {axis.path for axis in axes}
    optimise = None
    if question is Question.OPTIMISE:
        optimise = OptimiseSettings(metric="knn_accuracy", direction="maximize")
    planners = {
        Question.BOUNDARY: PlannerKind.BISECT,
        Question.GRID: PlannerKind.GRID,
        Question.OPTIMISE: PlannerKind.TPE,
    }
    fixed = FIXED if "lr" in paths else (*FIXED, ("lr", 0.5))
    return Study(
        name=name,
        question=question,
        planner=planners[question],
        axes=tuple(sorted(axes, key=lambda axis: axis.path)),
        fixed=tuple(sorted((path, value) for path, value in fixed if path not in paths)),
        replicates=3,
        seed=0,
        budget=Budget(trials=400),
        collapse=CollapseSettings(),
        optimise=optimise,
        source_text=f"study: {name}\n",
    )


def demo_surface(point: Point) -> float:
    """Critical learning rate like the demo's: falls for supcon, above 100 for clop at the top."""
    at = dict(point.coordinates)
    temperature = float(at.get("objective.temperature", 0.1))
    factor = {"infonce": 14.0, "supcon": 1.6, "clop": 60.0}[
        str(at.get("objective.kind", "infonce"))
    ]
    power = {"infonce": 0.9, "supcon": 0.5, "clop": 1.1}[str(at.get("objective.kind", "infonce"))]
    return float(
        factor * (temperature / 0.5) ** power * {"layer": 3.0}.get(str(at.get("model.norm")), 1.0)
    )


def choose_rates(critical_lr: float) -> list[tuple[float, int]]:
    """Return learning rates and replicates as a bracketing planner would try them."""
    coarse = [(float(lr), r) for lr in np.geomspace(1e-2, 100.0, 5) for r in range(3)]
    near = [
        (float(f"{critical_lr * 10**offset:.4g}"), r)
        for offset in (-0.3, -0.1, -0.03, 0.02, 0.08, 0.25)
        for r in range(3)
    ]
    return [pair for pair in dict.fromkeys(coarse + near) if 1e-2 <= pair[0] <= 100.0]


def make_records(study: Study, surface: Surface = demo_surface) -> list[TrialRecord]:
    """Return finished records of every slice of a study that varies the learning rate."""
    records: list[TrialRecord] = []
    for slice_point in study.slices():
        critical_lr = surface(slice_point)
        for lr, replicate in choose_rates(critical_lr):
            point = slice_point.replace("lr", lr)
            records.append(make_record(study, point, replicate, critical_lr, len(records)))
    return records


def make_record(
    study: Study, point: Point, replicate: int, critical_lr: float, number: int = 0
) -> TrialRecord:
    """Return one finished record."""
    settings = study.settings_at(point)
    proposal = Proposal(point, replicate)
    distance = log10(settings.lr / critical_lr) - SHIFTS[replicate]
    asked_at = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=number)
    return TrialRecord(
        number=number,
        round_number=number // 16,
        proposal=proposal,
        settings=settings,
        seed=1000 + replicate,
        state=TrialState.FINISHED,
        outcome=make_outcome(proposal.key, distance, study.collapse.below),
        failure=None,
        asked_at=asked_at,
        told_at=asked_at + timedelta(seconds=5),
    )


def make_outcome(trial: str, distance_decades: float, level: float = 2.0) -> Outcome:
    """Return the outcome of a trial so far beyond its critical learning rate."""
    if distance_decades > 1.5:
        return _diverged(trial)
    rank = _rank_at(distance_decades, level)
    regime = (
        Regime.COMPLETE if rank < 2.0 else Regime.DIMENSIONAL if rank < level else Regime.HEALTHY
    )
    if distance_decades < -3.0:
        regime = Regime.UNDERTRAINED
    decided_early = 0.5 < distance_decades <= 1.0
    steps = tuple(range(25, (125 if decided_early else STEPS) + 1, 25))
    ranks = tuple(rank + (8.0 - rank) * float(np.exp(-step / 60)) for step in steps)
    losses = tuple(2.0 + 3.0 * float(np.exp(-step / 80)) for step in steps)
    measures = {
        "effective_rank": rank,
        "knn_accuracy": min(0.97, rank / 20),
        "train_loss": losses[-1],
    }
    return Outcome(
        trial=trial,
        regime=regime,
        score=rank,
        measures=measures,
        initial={"effective_rank": 8.0, "knn_accuracy": 0.2, "train_loss": 5.5},
        spectrum=_spectrum(rank),
        history=History(steps=steps, values={"effective_rank": ranks, "train_loss": losses}),
        steps_done=steps[-1],
        decided_early=decided_early,
        early_regime=Regime.COMPLETE if distance_decades > 1.0 else None,
        seconds=0.5,
    )


def without_outcome(record: TrialRecord, state: TrialState) -> TrialRecord:
    """Return the record as one that is still to run, or that failed for good."""
    failure = "OutOfMemoryError: <b>12 GiB</b>" if state is TrialState.MISSING else None
    return replace(record, state=state, outcome=None, failure=failure, told_at=None)


def _rank_at(distance_decades: float, level: float) -> float:
    # Exactly the level at distance 0; about a decade wide, as measured on real networks.
    odds = (HIGHEST_RANK - level) / (level - 1.0)
    return 1.0 + (HIGHEST_RANK - 1.0) / (1.0 + odds * 10 ** (2.5 * distance_decades))


def _spectrum(rank: float) -> tuple[float, ...]:
    shares = np.exp(-np.arange(32) / max(rank / 2.5, 0.05))
    floored = shares / shares.sum() + 1e-9
    return tuple(float(share) for share in floored / floored.sum())


def _diverged(trial: str) -> Outcome:
    return Outcome(
        trial=trial,
        regime=Regime.DIVERGED,
        score=0.0,
        measures={},
        initial={"effective_rank": 8.0, "knn_accuracy": 0.2, "train_loss": 5.5},
        spectrum=(),
        history=History(steps=(25,), values={"effective_rank": (1.1,), "train_loss": (9.0,)}),
        steps_done=31,
        decided_early=False,
        diverged_at_step=31,
        seconds=0.1,
    )


def make_small_study(question: Question = Question.BOUNDARY) -> Study:
    """Return a study of two objectives and three temperatures: a map that is quick to make."""
    temperature = RangeAxis("objective.temperature", 0.05, 1.0, log=True, points=3)
    return make_study(
        (LR_AXIS, ChoiceAxis("objective.kind", ("infonce", "supcon")), temperature), question
    )
