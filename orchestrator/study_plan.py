"""How long a study's trials take on lanes of a known number and size, before any is trained.

The planner's simulated rounds are dealt to lanes as the sweep will deal them. Rounds come one
after another; within a round a lane that is free takes the next hand, a worker the next pack.
"""

import heapq
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from orchestrator.dealing import Hand, deal
from orchestrator.lane_plan import LanePlan
from orchestrator.planners.evidence import most_steps
from orchestrator.planners.simulated import Simulation
from orchestrator.step_time import StepTime, StepTimes, cost_of, describe_settings
from search_spaces.study import LR, Study
from trainer.cohort import Cohort
from trainer.trial_settings import TrialSettings


@dataclass(frozen=True, slots=True)
class TimeSpan:
    """A duration in seconds: likely, and between which ends.

    ``low`` takes the fastest step times and trials that are decided early as the simulation
    has it; ``high`` the slowest, and trains every trial to its last step.
    """

    low: float = 0.0
    middle: float = 0.0
    high: float = 0.0


@dataclass(frozen=True, slots=True)
class Workload:
    """What a study asks of a cluster.

    Attributes:
        cohorts: Groups of trials that share model, batches and augmentations, over all rounds.
        packs: What one worker trains at once, over all rounds.
        training: Seconds of one worker, summed over packs.
        wall: From the first pack to the last, without the start of Ray and of the lanes.
    """

    cohorts: int
    packs: int
    training: TimeSpan
    wall: TimeSpan


def plan_workload(
    study: Study, simulation: Simulation, lanes: LanePlan, times: StepTimes
) -> Workload:
    """Return what the simulated trials take.

    Args:
        study: Gives the settings.
        simulation: The rounds, and after how many steps each trial ended.
        lanes: How many there are, of which size.
        times: What a step takes.
    """
    spans = _time_trials(study, simulation, times)
    dealt = [
        deal(study, [asked], {proposal.key for proposal in asked}, lanes)
        for asked in simulation.rounds
    ]
    packs = [pack for hands in dealt for hand in hands for pack in hand]
    return Workload(
        # A pack's id is its cohort's with a number behind it.
        cohorts=len({pack.cohort_id.rpartition("-")[0] for pack in packs}),
        packs=len(packs),
        training=_add(spans.values()),
        wall=_add(_time_round(hands, spans, lanes) for hands in dealt),
    )


def list_settings(study: Study, simulation: Simulation) -> dict[str, TrialSettings]:
    """Return one trial's settings of every slice that is tried, by the slice's key."""
    found: dict[str, TrialSettings] = {}
    for asked in simulation.rounds:
        for proposal in asked:
            key = proposal.point.without(LR).key
            if key not in found:
                found[key] = study.settings_at(proposal.point)
    return found


def list_costs(study: Study, simulation: Simulation) -> set[str]:
    """Return the cost keys of a study's trials."""
    settings = list_settings(study, simulation).values()
    return {cost_of(describe_settings(of_slice)) for of_slice in settings}


def _time_trials(study: Study, simulation: Simulation, times: StepTimes) -> dict[str, TimeSpan]:
    """Return what each trial takes by itself, by trial key."""
    settings = list_settings(study, simulation)
    step_times = {key: times.at(of_slice) for key, of_slice in settings.items()}
    most = most_steps(study)
    spans: dict[str, TimeSpan] = {}
    for asked in simulation.rounds:
        for proposal in asked:
            key = proposal.point.without(LR).key
            steps = settings[key].train.steps
            taken = steps * min(1.0, simulation.findings[proposal.key].steps / most)
            spans[proposal.key] = _span(step_times[key], taken, steps)
    return spans


def _span(step: StepTime, taken: float, steps: int) -> TimeSpan:
    return TimeSpan(taken * step.low, taken * step.middle, steps * step.high)


def _time_round(hands: Sequence[Hand], spans: Mapping[str, TimeSpan], lanes: LanePlan) -> TimeSpan:
    on_lane = [_time_hand(hand, spans, lanes.workers) for hand in hands]
    return _share_out(on_lane, lanes.lanes)


def _time_hand(hand: Hand, spans: Mapping[str, TimeSpan], workers: int) -> TimeSpan:
    packs = [_add(spans[member.trial] for member in pack.members) for pack in hand]
    if _is_shared(hand):
        # Workers that share the data train one pack together.
        whole = _add(packs)
        return TimeSpan(whole.low / workers, whole.middle / workers, whole.high / workers)
    return _share_out(packs, workers)


def _is_shared(hand: Collection[Cohort]) -> bool:
    return any(pack.train.split == "data" for pack in hand)


def _share_out(spans: Sequence[TimeSpan], takers: int) -> TimeSpan:
    """Return when the last of them is done, each taken by whoever is free first."""
    return TimeSpan(
        low=_finish([span.low for span in spans], takers),
        middle=_finish([span.middle for span in spans], takers),
        high=_finish([span.high for span in spans], takers),
    )


def _finish(seconds: Iterable[float], takers: int) -> float:
    free_at = [0.0] * takers
    for taken in seconds:
        heapq.heapreplace(free_at, free_at[0] + taken)
    return max(free_at)


def _add(spans: Iterable[TimeSpan]) -> TimeSpan:
    low = middle = high = 0.0
    for span in spans:
        low, middle, high = low + span.low, middle + span.middle, high + span.high
    return TimeSpan(low, middle, high)
