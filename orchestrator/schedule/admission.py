"""Who may leave the queue: overlap, places, trial-hours. Pure: from what is known to what to do.

A *trial-hour* is an hour of training of one trial (a trial's share of its cohort's time). The
rule: while the studies of the last 24 hours took ``daily_trial_hours`` or more, nothing starts.
A study that has ended counts what its ledger says (or the hours from its start to its end, if
that cannot be read); one at work counts what its schedule took the last time, or the hours since
its start, if those are more. So a day may be overdrawn by what had started, and by no more.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from orchestrator.schedule.schedule import ON_CLUSTER, Firing, FiringState, Overlap
from orchestrator.schedule.store import Limits

DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Start:
    """Hand the firing to Ray."""

    firing: Firing


@dataclass(frozen=True, slots=True)
class Wait:
    """Leave it in the queue, and say why."""

    firing: Firing
    reason: str


@dataclass(frozen=True, slots=True)
class Skip:
    """It shall never run."""

    firing: Firing
    reason: str


@dataclass(frozen=True, slots=True)
class Stop:
    """Ask Ray to end it."""

    firing: Firing
    reason: str


Decision = Start | Wait | Skip | Stop


def decide(
    active: Sequence[Firing],
    limits: Limits,
    at_work: int,
    spent_hours: float,
    expected_hours: Mapping[str, float],
) -> list[Decision]:
    """Return what to do about the queue.

    Args:
        active: All firings that have not ended.
        limits: How much may run.
        at_work: Studies at work on the cluster, ours and others'.
        spent_hours: Trial-hours of the last 24 hours, see :func:`sum_hours`.
        expected_hours: By schedule, what a firing will take; 0 where nothing is known.
    """
    overlapping = _settle_overlaps(active)
    settled = {step.firing.id for step in overlapping}
    waiting = [f for f in active if f.state is FiringState.QUEUED and f.id not in settled]
    decisions: list[Decision] = list(overlapping)
    for firing in sorted(waiting, key=lambda f: (-f.priority, f.fire_time, f.id)):
        reason = _find_obstacle(limits, at_work, spent_hours)
        if reason is not None:
            decisions.append(Wait(firing, reason))
            continue
        decisions.append(Start(firing))
        at_work += 1
        spent_hours += expected_hours.get(firing.schedule, 0.0)
    return decisions


def sum_hours(started: Sequence[Firing], expected: Mapping[str, float], now: datetime) -> float:
    """Return the trial-hours that the firings of the last 24 hours took, as the rule counts them.

    Args:
        started: The firings that began in the last 24 hours, and those that run still.
    """
    return sum(_count_hours(firing, expected, now) for firing in started)


def _count_hours(firing: Firing, expected: Mapping[str, float], now: datetime) -> float:
    if firing.submitted_at is None:
        return 0.0
    elapsed = ((firing.ended_at or now) - firing.submitted_at) / timedelta(hours=1)
    if firing.state.is_end:
        return elapsed if firing.trial_hours is None else firing.trial_hours
    return max(elapsed, expected.get(firing.schedule, 0.0))


def _settle_overlaps(active: Sequence[Firing]) -> list[Wait | Skip | Stop]:
    """Return what to do about firings that have an earlier one of their schedule before them."""
    ordered = sorted(active, key=lambda f: (f.fire_time, f.id))
    steps: dict[int, Wait | Skip | Stop] = {}
    for place, firing in enumerate(ordered):
        earlier = [
            other
            for other in ordered[:place]
            if other.schedule == firing.schedule and not isinstance(steps.get(other.id), Skip)
        ]
        if firing.state is FiringState.QUEUED and earlier:
            for step in _face(firing, earlier):
                steps[step.firing.id] = step
    return list(steps.values())


def _face(firing: Firing, earlier: Sequence[Firing]) -> list[Wait | Skip | Stop]:
    """Return what a queued firing does about earlier ones that have not ended."""
    last = earlier[-1].job_id
    match firing.overlap:
        case Overlap.FORBID:
            return [Skip(firing, f"{last} had not ended")]
        case Overlap.QUEUE:
            return [Wait(firing, f"waits for the end of {last}")]
        case Overlap.REPLACE:
            reason = f"replaced by {firing.job_id}"
            steps: list[Wait | Skip | Stop] = []
            for other in earlier:
                if other.state is FiringState.QUEUED:
                    steps.append(Skip(other, reason))
                elif other.stop_asked_at is None:
                    steps.append(Stop(other, reason))
            if any(other.state in ON_CLUSTER for other in earlier):
                steps.append(Wait(firing, f"waits for the end of {last}, which it replaces"))
            return steps


def _find_obstacle(limits: Limits, at_work: int, spent_hours: float) -> str | None:
    if at_work >= limits.most_studies:
        return f"waits for a place: {at_work} of at most {limits.most_studies} studies at work"
    daily = limits.daily_trial_hours
    if daily is not None and spent_hours >= daily:
        return f"waits for trial-hours: {spent_hours:.1f} of {daily:g} in the last 24 hours"
    return None
