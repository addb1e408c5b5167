"""Tree-structured Parzen estimator (TPE) through Optuna's ask and tell, made to be resumed.

Every round opens a new in-memory Optuna study, adds what is known in the order of the keys,
and asks with a seed derived from the study and the number of known trials. So a round is a
function of what was told, as for every planner; Optuna's own stored state never matters.

References:
    Bergstra et al., "Algorithms for Hyper-Parameter Optimization", NeurIPS 2011 (TPE).
    Ginsbourger et al. 2010 (constant liar, which keeps a batch apart).
"""

import logging
from collections.abc import Iterable, Sequence
from itertools import chain, islice
from statistics import fmean
from typing import Literal, assert_never

import numpy as np
import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
)
from optuna.trial import TrialState

from orchestrator.planners.evidence import Evidence
from orchestrator.planners.protocol import Finding, Proposal
from orchestrator.planners.quasirandom import fresh_points
from orchestrator.planners.space import contains, replicates_of, round_within
from search_spaces.axis import Axis, ChoiceAxis
from search_spaces.point import Point, Value
from search_spaces.study import KIND, Question, Study

BATCH_TRIALS = 16
RETRIES = 16  # draws that repeat a known point before a quasi-random one is taken instead


class TpePlanner:
    """Asks batches of about 16 trials, all replicates of a point together.

    ``question: optimise`` looks at the mean utility over a point's replicates; a point with a
    diverged replicate ranks below every other (Optuna: pruned). What the study's pruner ended is
    pruned to Optuna too, with its utility when it ended: later is better, then the better value.
    Other questions look for the boundary: the mean of \\|score - level\\| over the replicates,
    minimised.
    """

    def __init__(self, study: Study) -> None:
        self._study = study
        self._evidence = Evidence()

    def ask(self) -> Sequence[Proposal]:
        """Return the next batch, after trials that an earlier budget cut off."""
        remaining = self._evidence.remaining(self._study)
        if remaining <= 0:
            return []
        known = [p for p in self._evidence.points() if contains(self._study, p)]
        count = max(BATCH_TRIALS // self._study.replicates, 1)
        points = chain(known, self._draw(known, count))
        wanted = [p for point in points for p in replicates_of(self._study, point)]
        return [p for p in wanted if not self._evidence.knows(p)][:remaining]

    def tell(self, proposal: Proposal, finding: Finding) -> None:
        """Record a finished trial."""
        self._evidence.tell(proposal, finding)

    def tell_missing(self, proposal: Proposal) -> None:
        """Record that a trial will never be told."""
        self._evidence.tell_missing(proposal)

    def _draw(self, known: Sequence[Point], count: int) -> list[Point]:
        """Return up to ``count`` new points; fewer only when a finite study has no more."""
        sampler = self._open(known)
        taken = {point.key for point in known}
        drawn: list[Point] = []
        for _ in range(count + RETRIES):
            if len(drawn) == count:
                return drawn
            trial = sampler.ask()
            point = self._suggest(trial)
            if point.key in taken:
                sampler.tell(trial, state=TrialState.FAIL)
                continue
            taken.add(point.key)
            drawn.append(point)
        unseen = (point for point in fresh_points(self._study) if point.key not in taken)
        return drawn + list(islice(unseen, count - len(drawn)))

    def _open(self, known: Iterable[Point]) -> optuna.Study:
        """Return an in-memory study that holds every known point."""
        logging.getLogger("optuna.storages._in_memory").setLevel(logging.WARNING)
        entropy = [self._study.seed, self._evidence.spent]
        seed = int(np.random.SeedSequence(entropy).generate_state(1)[0])
        sampler = optuna.samplers.TPESampler(seed=seed, multivariate=False, constant_liar=True)
        opened = optuna.create_study(sampler=sampler, direction=self._direction())
        findings: dict[Point, list[Finding]] = {}
        for proposal, finding in self._evidence.findings():
            findings.setdefault(proposal.point, []).append(finding)
        opened.add_trials(self._freeze(p, findings[p]) for p in known if p in findings)
        return opened

    def _direction(self) -> Literal["minimize", "maximize"]:
        optimise = self._study.optimise
        return "minimize" if optimise is None else optimise.direction

    def _freeze(self, point: Point, findings: Sequence[Finding]) -> optuna.trial.FrozenTrial:
        value = self._value(findings)
        is_pruned = value is None or any(finding.is_pruned for finding in findings)
        reported = {} if value is None else {max(f.steps for f in findings): value}
        return optuna.trial.create_trial(
            state=TrialState.PRUNED if is_pruned else TrialState.COMPLETE,
            value=None if is_pruned else value,
            intermediate_values=reported if is_pruned else {},
            params=dict(point.coordinates),
            distributions={axis.path: _distribution(axis) for axis in self._axes_at(point)},
        )

    def _axes_at(self, point: Point) -> tuple[Axis, ...]:
        kind = dict(point.coordinates).get(KIND, self._study.kinds[0])
        return self._study.axes_for(str(kind))

    def _value(self, findings: Sequence[Finding]) -> float | None:
        """Return what Optuna is told of a point; None ranks it below every other."""
        match self._study.question:
            case Question.OPTIMISE:
                utilities = [f.utility for f in findings if f.utility is not None]
                return fmean(utilities) if len(utilities) == len(findings) else None
            case Question.BOUNDARY | Question.GRID:
                return fmean(abs(f.score - self._study.collapse.below) for f in findings)
            case _ as never:
                assert_never(never)

    def _suggest(self, trial: optuna.Trial) -> Point:
        """Return a point of the space: the objective kind first, then the axes it has."""
        coordinates: dict[str, Value] = {}
        for axis in self._study.axes:
            if axis.path == KIND:
                coordinates[KIND] = _suggest_on(trial, axis)
        kind = str(coordinates.get(KIND, self._study.kinds[0]))
        for axis in self._study.axes_for(kind):
            if axis.path != KIND:
                coordinates[axis.path] = _suggest_on(trial, axis)
        return Point.of(coordinates)


def _distribution(axis: Axis) -> BaseDistribution:
    if isinstance(axis, ChoiceAxis):
        return CategoricalDistribution(axis.values)
    return FloatDistribution(axis.low, axis.high, log=axis.log)


def _suggest_on(trial: optuna.Trial, axis: Axis) -> Value:
    if isinstance(axis, ChoiceAxis):
        chosen = trial.suggest_categorical(axis.path, axis.values)
        assert chosen is not None, "an axis holds no None"
        return chosen
    return round_within(trial.suggest_float(axis.path, axis.low, axis.high, log=axis.log), axis)
