"""How many lanes of how many workers a cluster holds: arithmetic on its nodes, without Ray.

A lane is one driver (a Tune trial's actor) and its workers. Lanes are of one size, and a lane
lies within one node: Ray then always finds a place for all of it, so no two lanes can each hold
half of what they need and wait for the other for ever. Only a lane that is the cluster's single
one may be spread over nodes.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from orchestrator.errors import ClusterError

CPUS_PER_WORKER = 0.9
"""Below 1, so that a worker on every core leaves room for the drivers of the lanes."""

DRIVER_CPUS = 0.01
"""A lane's driver waits nearly all the time, but Tune refuses 0 CPUs."""

_ROUND_OFF = 1e-6


@dataclass(frozen=True, slots=True)
class Node:
    """What one machine of the cluster offers: logical CPUs and GPUs, both at least 0."""

    cpus: float
    gpus: float = 0.0


@dataclass(frozen=True, slots=True)
class LaneRequest:
    """What the user asked for; None leaves it to the plan.

    Attributes:
        lanes: Worker groups side by side, at least 1.
        workers: Processes of each lane, at least 1.
        gpu_fraction: Share of a GPU that one worker gets, in (0, 1].
    """

    lanes: int | None = None
    workers: int | None = None
    gpu_fraction: float = 1.0


@dataclass(frozen=True, slots=True)
class LanePlan:
    """How the cluster is used.

    Attributes:
        lanes: Worker groups side by side.
        workers: Processes of each.
        pack_members: How many members one worker trains at once.
        gpu_fraction: Share of a GPU for each worker; 0 trains on CPUs.
    """

    lanes: int
    workers: int
    pack_members: int
    gpu_fraction: float = 0.0

    @property
    def use_gpu(self) -> bool:
        """Whether the workers train on GPUs."""
        return self.gpu_fraction > 0


def plan_lanes(nodes: Sequence[Node], request: LaneRequest, pack_members: int) -> LanePlan:
    """Size the lanes: by default one on each node, of the size that uses most of the cluster.

    A second lane on the same node costs a start and brings nothing: a lane's workers share no
    memory and wait for nobody. On equal nodes, each gets one lane with a worker on every GPU or,
    where the cluster has none, on every CPU; small nodes among large ones stay empty.

    Args:
        nodes: The machines of the connected cluster.
        request: What the user asked for.
        pack_members: Members one worker trains at once.

    Raises:
        ClusterError: If the cluster cannot hold what was asked, with the arithmetic.
    """
    share = request.gpu_fraction if any(node.gpus for node in nodes) else 0.0
    # Ray may put every driver on one node: each of them has to leave room for all.
    drivers = request.lanes or len(nodes)
    room = [_capacity(node, drivers, share) for node in nodes]
    lanes, workers = _choose(room, request)
    if not _fits(room, lanes, workers):
        raise ClusterError(_describe_refusal(nodes, room, lanes, workers, share))
    return LanePlan(lanes, workers, pack_members, share)


def _choose(room: Sequence[int], request: LaneRequest) -> tuple[int, int]:
    """Fill in what the request leaves open; the result may not fit.

    Args:
        room: Workers that each node holds.
        request: What the user asked for.
    """
    match request.lanes, request.workers:
        case int(lanes), int(workers):
            return lanes, workers
        case int(lanes), None:
            sizes = range(1, max(room, default=0) + 1)
            return lanes, max((size for size in sizes if _fits(room, lanes, size)), default=1)
        case None, int(workers):
            return max(1, _nodes_that_hold(workers, room)), workers
        case _:
            totals = {size: size * _nodes_that_hold(size, room) for size in room if size}
            best = max(totals, key=lambda size: (totals[size], size), default=1)
            return max(1, _nodes_that_hold(best, room)), best


def _nodes_that_hold(workers: int, room: Sequence[int]) -> int:
    return sum(holds >= workers for holds in room)


def _fits(room: Sequence[int], lanes: int, workers: int) -> bool:
    if lanes == 1:
        return sum(room) >= workers
    return sum(holds // workers for holds in room) >= lanes


def _capacity(node: Node, drivers: int, share: float) -> int:
    """Return how many workers a node holds beside so many drivers."""
    free = node.cpus - DRIVER_CPUS * drivers
    by_cpu = min(int(node.cpus), math.floor(free / CPUS_PER_WORKER + _ROUND_OFF))
    if not share:
        return max(0, by_cpu)
    per_gpu = math.floor(1 / share + _ROUND_OFF)
    return max(0, min(by_cpu, int(node.gpus) * per_gpu))


def _describe_refusal(
    nodes: Sequence[Node], room: Sequence[int], lanes: int, workers: int, share: float
) -> str:
    is_single = lanes == 1
    cpus = lanes * (workers * CPUS_PER_WORKER + DRIVER_CPUS)
    gpus = f" and {lanes * workers * share:g} GPUs" if share else ""
    advice = f"at most {_count(sum(room), 'worker')} with --workers"
    if not is_single:
        most = sum(holds // workers for holds in room)
        advice = f"at most {_count(most, 'lane')} of that size with --lanes, or fewer --workers"
    return (
        f"{_count(lanes, 'lane')} of {_count(workers, 'worker')} "
        f"{'needs' if is_single else 'need'} {cpus:.2f} CPUs ({CPUS_PER_WORKER} a worker, "
        f"{DRIVER_CPUS} a lane){gpus}{'' if is_single else ', each lane on one node'}, but the "
        f"cluster has {_describe_nodes(nodes)}: ask for {advice}"
    )


def _describe_nodes(nodes: Sequence[Node]) -> str:
    if not nodes:
        return "no node"
    kinds = Counter(
        f"{node.cpus:g} CPUs" + (f" and {node.gpus:g} GPUs" if node.gpus else "") for node in nodes
    )
    return ", ".join(f"{_count(many, 'node')} with {kind}" for kind, many in kinds.items())


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
