"""``rankfall plan``: what a study takes before anything is spent, and how that is known."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from orchestrator.cluster_address import choose_address
from orchestrator.command_read import show_value
from orchestrator.earlier_times import time_by_ledgers, time_by_mlflow
from orchestrator.errors import EarlierTimesError, TrackingError
from orchestrator.lane_plan import LanePlan, LaneRequest, Node, plan_lanes
from orchestrator.planners.forecast import describe_forecast, foresee
from orchestrator.step_time import StepTimes, TimeSource
from orchestrator.study_plan import TimeSpan, Workload, list_costs, plan_workload
from orchestrator.sweep import PACK_MEMBERS
from orchestrator.timed_by import TimedBy
from orchestrator.timing import START_SECONDS, count_cores, time_by_probe
from search_spaces.study import Study

if TYPE_CHECKING:
    from orchestrator.jobs import JobCluster


@dataclass(frozen=True, slots=True)
class Place:
    """Where a study would run: in words, and what its nodes offer."""

    name: str
    nodes: Sequence[Node]


def this_machine() -> Place:
    """Return this machine, which Ray would take whole."""
    cores = count_cores()
    gpus = torch.cuda.device_count()
    name = f"the {cores} cores of this machine" + (f" and its {gpus} GPUs" if gpus else "")
    return Place(name, [Node(cores, gpus)])


def plan_at(
    address: str | None, study: Study, request: LaneRequest, results: Path, timed_by: TimedBy
) -> dict[str, Any]:
    """Plan for the cluster at an address as Ray understands it; for this machine without one.

    Raises:
        ClusterError, EarlierTimesError: See :func:`plan_study`; or the cluster is not there.
    """
    where = choose_address(address)
    place = this_machine()
    if where is not None:
        from orchestrator.jobs import JobCluster  # noqa: PLC0415 (loads Ray)

        place = that_cluster(JobCluster.connect(where))
    return plan_study(study, place, request, results, timed_by)


def that_cluster(cluster: "JobCluster") -> Place:
    """Return what a cluster's living nodes offer."""
    return Place(f"the cluster at {cluster.url}", cluster.nodes())


def plan_study(
    study: Study,
    place: Place,
    request: LaneRequest,
    results: Path,
    timed_by: TimedBy = TimedBy.AUTO,
) -> dict[str, Any]:
    """Return what a study takes: the planner's forecast, lanes, time and GPU-hours.

    A prior is not counted: a right one takes less.

    Args:
        study: The study.
        place: Where it would run.
        request: Lanes and workers, as far as the user asked.
        results: Folder whose ledgers may tell what earlier trials took.
        timed_by: AUTO asks ledgers, then ``MLFLOW_TRACKING_URI``, then a probe.

    Raises:
        ClusterError: If the place cannot hold what was asked.
        EarlierTimesError: If only earlier trials shall be asked and they do not tell.
    """
    lanes = plan_lanes(place.nodes, request, PACK_MEMBERS)
    simulation = foresee(study)
    times = find_times(study, list_costs(study, simulation), results, timed_by)
    if study.budget.seconds is not None:
        middle = max(step.middle for step in times.by_cost.values())
        simulation = foresee(study, middle)
    work = plan_workload(study, simulation, lanes, times)
    return {
        "study": study.name,
        **({} if study.prior is None else {"prior_not_counted": study.prior}),
        **dataclasses.asdict(describe_forecast(study, simulation)),
        "cohorts": work.cohorts,
        "packs": work.packs,
        "where": place.name,
        "cores": sum(int(node.cpus) for node in place.nodes),
        "lanes": lanes.lanes,
        "workers_per_lane": lanes.workers,
        "timed_by": times.source.value,
        "timed_on": _describe_timing(times, lanes),
        **_describe_times(work, lanes, simulation.trial_steps),
    }


def find_times(
    study: Study, costs: set[str], results: Path, timed_by: TimedBy = TimedBy.AUTO
) -> StepTimes:
    """Return what the study's steps take, by what is asked for or by what knows best.

    Raises:
        EarlierTimesError: See :func:`plan_study`.
    """
    if timed_by is TimedBy.PROBE:
        return time_by_probe(study)
    obstacle = None
    found = time_by_ledgers(results, costs)
    if found is None:
        try:
            found = time_by_mlflow(results, costs, study.kinds)
        except TrackingError as error:
            obstacle = error
    if found is not None:
        return found
    if timed_by is TimedBy.AUTO:
        return time_by_probe(study)
    reason = "" if obstacle is None else f" ({obstacle})"
    raise EarlierTimesError(
        f"no earlier study in {results} or MLflow has trials like all of those of {study.name}"
        f"{reason}: take --timed-by probe"
    )


def show_plan(plan: Mapping[str, Any]) -> RenderableType:
    """Return the plan as a table, and the time in words."""
    table = Table(box=None, show_header=False, pad_edge=False)
    for name, value in plan.items():
        table.add_row(name.replace("_", " "), Text(show_value(value)))
    cut = "; the budget cuts it short" if plan["is_cut_by_budget"] else ""
    low, middle, high = (say_minutes(plan[f"wall_minutes{end}"]) for end in ("_low", "", "_high"))
    span = "" if low == high else f" ({low} to {high})"
    gpus = f", {plan['gpu_hours']:.3g} GPU-hours" if plan["gpu_hours"] else ""
    words = (
        f"About {middle}{span}{gpus} on {plan['where']}, {START_SECONDS:g} seconds of it to "
        f"start Ray, for {plan['trials']} trials in {plan['rounds']} rounds{cut}; timed by "
        f"{plan['timed_on']}."
    )
    if "prior_not_counted" in plan:
        words += f" Planned as if without its prior, {plan['prior_not_counted']}."
    return Group(table, Text(words))


def say_minutes(minutes: float) -> str:
    """Return a duration in words, coarse as a forecast is."""
    if minutes < 1.5:
        return "a minute"
    if minutes < 90:
        return f"{minutes:.0f} minutes"
    hours = minutes / 60
    return f"{hours:.1f} hours" if hours < 36 else f"{hours / 24:.1f} days"


def _describe_timing(times: StepTimes, lanes: LanePlan) -> str:
    is_other = lanes.use_gpu and times.source is TimeSource.PROBE
    return times.said + (", which has not the GPUs' speed" if is_other else "")


def _describe_times(work: Workload, lanes: LanePlan, trial_steps: int) -> dict[str, float]:
    """Return times in minutes and hours; GPUs are held from the lanes' start to the end."""
    gpus = lanes.lanes * lanes.workers * lanes.gpu_fraction
    wall = TimeSpan(*(START_SECONDS + s for s in dataclasses.astuple(work.wall)))
    steps = max(trial_steps, 1)
    return {
        "milliseconds_per_member_step": 1000 * work.training.middle / steps,
        "core_minutes": work.training.middle / 60,
        "wall_minutes": wall.middle / 60,
        "wall_minutes_low": wall.low / 60,
        "wall_minutes_high": wall.high / 60,
        "gpu_hours": gpus * wall.middle / 3600,
        "gpu_hours_low": gpus * wall.low / 3600,
        "gpu_hours_high": gpus * wall.high / 3600,
    }
