"""A study with ``align`` and records of it, made up: objectives drift from the reference."""

from datetime import UTC, datetime

import numpy as np

from orchestrator.planners.protocol import Proposal
from orchestrator.record import TrialRecord, TrialState
from search_spaces.load import parse_study
from search_spaces.point import Point
from search_spaces.study import Study
from trainer.cohort import History, Outcome
from trainer.collapse.regime import Regime

TEXT = """\
study: near-cl
question: grid
data: {source: digits}
model: {encoder: mlp, hidden: [8], embed_dim: 16}
train: {batch_size: 32, steps: 40}
objective: {kind: [cl, nscl, supcon], temperature: 0.5}
lr: 0.1
seeds: 3
align: {reference: cl, unshared: true}
budget: {trials: 100}
"""
STEPS = (0, 10, 20, 30, 40)
LEVELS = {"cl": 1.0, "nscl": 0.9, "supcon": 0.5}


def make_aligned(*overrides: str) -> tuple[Study, list[TrialRecord]]:
    """Return the study and a finished record for each of its trials."""
    study = parse_study(TEXT, "near.yaml", overrides)
    points = [(p, replicate) for p in study.slices() for replicate in range(study.replicates)]
    return study, [_record(study, p, replicate, i) for i, (p, replicate) in enumerate(points)]


def _record(study: Study, point: Point, replicate: int, number: int) -> TrialRecord:
    proposal = Proposal(point, replicate)
    asked = datetime(2026, 1, 1, tzinfo=UTC)
    return TrialRecord(
        number=number,
        round_number=0,
        proposal=proposal,
        settings=study.settings_at(point),
        seed=1000 + replicate,
        state=TrialState.FINISHED,
        outcome=_outcome(proposal.key, str(point["objective.kind"]), replicate),
        failure=None,
        asked_at=asked,
        told_at=asked,
    )


def _outcome(key: str, kind: str, replicate: int) -> Outcome:
    end = LEVELS[kind] - 0.01 * replicate
    cka = tuple(float(v) for v in np.linspace(1.0, end, len(STEPS)))
    gaps = tuple(float(v) for v in np.linspace(0.0, 1.0 - end, len(STEPS)))
    losses = tuple(float(v) for v in np.linspace(3.0, 1.0, len(STEPS)))
    is_reference = kind == "cl"
    coupling = History(steps=STEPS, values={"cka_features": cka, "weight_gap": gaps})
    against = {"cka_features": end, "weight_gap": 1.0 - end, "cka_features_unshared": end - 0.05}
    return Outcome(
        trial=key,
        regime=Regime.HEALTHY,
        score=8.0,
        measures={"effective_rank": 8.0, "knn_accuracy": 0.8, **({} if is_reference else against)},
        initial={"effective_rank": 4.0},
        spectrum=(0.6, 0.3, 0.1),
        history=History(steps=STEPS, values={"train_loss": losses}),
        steps_done=40,
        decided_early=False,
        seconds=0.5,
        coupling=None if is_reference else coupling,
    )
