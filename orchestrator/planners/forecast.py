"""What a study will take, before anything is spent: its planner run against a likely world."""

import math
from dataclasses import dataclass
from statistics import median

from orchestrator.planners.evidence import Evidence, most_steps
from orchestrator.planners.factory import build_planner
from orchestrator.planners.readout import read_boundary
from orchestrator.planners.simulated import Simulation, Surface, simulate
from search_spaces.axis import RangeAxis
from search_spaces.study import Question, Study

OFF_CENTRE_DECADES = 0.17  # a threshold exactly on a tried value would flatter the search


@dataclass(frozen=True, slots=True)
class Forecast:
    """A prediction, not a promise: seeds noisier than 0.04 decade need more trials.

    Attributes:
        trials: Trials the planner will ask for.
        trial_steps: Optimiser steps they take, those of trials decided early counted as such.
        rounds: Rounds it asks them in, one after another.
        largest_round: Most trials in one round, all of which may run in parallel.
        is_cut_by_budget: Whether the budget (trials, trial-steps or seconds) ends the study.
        slices: Settings of the other axes the boundary is searched at; 0 in other questions.
        band_decades: Median width over the slices of the 95 % band at the end; None in
            questions that look for no boundary.
    """

    trials: int
    trial_steps: int
    rounds: int
    largest_round: int
    is_cut_by_budget: bool
    slices: int
    band_decades: float | None


def forecast(study: Study, seconds_per_step: float = 0.0) -> Forecast:
    """Return what the study's planner asks for, as :func:`foresee` sees it."""
    return describe_forecast(study, foresee(study, seconds_per_step))


def foresee(study: Study, seconds_per_step: float = 0.0) -> Simulation:
    """Return every trial that the study's planner asks for when every slice crosses mid-range.

    Slices without a crossing stop sooner, so a boundary study rarely takes more trials than
    this. Takes seconds; touches no file.

    Args:
        study: The study.
        seconds_per_step: What an optimiser step of a trial takes; without it a budget in
            seconds is not counted.
    """
    axis = study.lr_axis
    surface = Surface(
        base=0.0 if axis is None else _middle(axis),
        level=study.collapse.below,
        steps=most_steps(study),
        seconds_per_step=seconds_per_step,
        seed=study.seed,
    )
    return simulate(build_planner(study), surface)


def describe_forecast(study: Study, simulation: Simulation) -> Forecast:
    """Return a simulated study in numbers."""
    is_boundary = study.question is Question.BOUNDARY and study.lr_axis is not None
    return Forecast(
        trials=simulation.trials,
        trial_steps=simulation.trial_steps,
        rounds=len(simulation.rounds),
        largest_round=max((len(asked) for asked in simulation.rounds), default=0),
        is_cut_by_budget=_is_cut(study, simulation),
        slices=len(study.slices()) if is_boundary else 0,
        band_decades=_band(study, simulation) if is_boundary else None,
    )


def _is_cut(study: Study, simulation: Simulation) -> bool:
    """Whether no further trial fits the budget, whatever the planner would have asked next."""
    evidence = Evidence()
    for asked in simulation.rounds:
        for proposal in asked:
            evidence.tell(proposal, simulation.findings[proposal.key])
    return evidence.remaining(study) == 0


def _middle(axis: RangeAxis) -> float:
    middle = (math.log10(axis.low) + math.log10(axis.high)) / 2
    return min(middle + OFF_CENTRE_DECADES, math.log10(axis.high))


def _band(study: Study, simulation: Simulation) -> float:
    findings = [
        (proposal, simulation.findings[proposal.key])
        for asked in simulation.rounds
        for proposal in asked
    ]
    return median(threshold.width for threshold in read_boundary(study, findings).values())
