"""Lanes from a cluster's nodes: what is planned fits, and what does not fit is refused."""

import math
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.errors import ClusterError
from orchestrator.lane_plan import (
    CPUS_PER_WORKER,
    DRIVER_CPUS,
    LanePlan,
    LaneRequest,
    Node,
    plan_lanes,
)

LAPTOP = [Node(2.0)]
HEAD_AND_WORKERS = [Node(2.0), Node(64.0), Node(64.0)]


def size_of(plan: LanePlan) -> tuple[int, int]:
    return plan.lanes, plan.workers


@pytest.mark.parametrize(
    ("nodes", "request_", "lanes_and_workers"),
    [
        pytest.param(LAPTOP, LaneRequest(), (1, 2), id="one-lane-with-every-core"),
        pytest.param(LAPTOP, LaneRequest(workers=1), (1, 1), id="workers-as-asked"),
        pytest.param(LAPTOP, LaneRequest(lanes=2), (2, 1), id="two-lanes-share-two-cores"),
        pytest.param([Node(1.0)], LaneRequest(), (1, 1), id="a-single-core"),
        pytest.param([Node(64.0)], LaneRequest(), (1, 64), id="never-more-than-cores"),
        pytest.param([Node(8.0)] * 3, LaneRequest(), (3, 8), id="a-lane-on-each-node"),
        pytest.param([Node(8.0)] * 3, LaneRequest(lanes=1), (1, 8), id="one-lane-on-one-node"),
        pytest.param([Node(8.0)] * 3, LaneRequest(lanes=6), (6, 4), id="two-lanes-on-each"),
        pytest.param([Node(8.0)] * 3, LaneRequest(workers=20), (1, 20), id="one-lane-over-nodes"),
        pytest.param([Node(8.0)] * 3, LaneRequest(workers=4), (3, 4), id="small-lanes"),
        pytest.param(HEAD_AND_WORKERS, LaneRequest(), (2, 64), id="a-small-head-stays-empty"),
    ],
)
def test_lanes_follow_the_nodes(
    nodes: list[Node], request_: LaneRequest, lanes_and_workers: tuple[int, int]
) -> None:
    plan = plan_lanes(nodes, request_, 16)
    assert size_of(plan) == lanes_and_workers
    assert (plan.use_gpu, plan.pack_members) == (False, 16)


@pytest.mark.parametrize(
    ("nodes", "request_", "lanes_and_workers"),
    [
        pytest.param([Node(8.0, 4.0)], LaneRequest(), (1, 4), id="a-worker-on-each-gpu"),
        pytest.param([Node(2.0, 8.0)], LaneRequest(), (1, 2), id="no-more-than-cpus"),
        pytest.param([Node(8.0), Node(8.0, 2.0)], LaneRequest(), (1, 2), id="only-nodes-with-gpus"),
        pytest.param([Node(8.0, 2.0)], LaneRequest(gpu_fraction=0.5), (1, 4), id="two-on-a-gpu"),
        pytest.param([Node(9.0, 1.0)], LaneRequest(gpu_fraction=0.3), (1, 3), id="three-on-a-gpu"),
        pytest.param([Node(8.0, 2.0)], LaneRequest(lanes=2), (2, 1), id="a-lane-on-each-gpu"),
    ],
)
def test_gpus_are_used_where_there_are_any(
    nodes: list[Node], request_: LaneRequest, lanes_and_workers: tuple[int, int]
) -> None:
    plan = plan_lanes(nodes, request_, 16)
    assert size_of(plan) == lanes_and_workers
    assert plan.gpu_fraction == request_.gpu_fraction


@pytest.mark.parametrize(
    ("nodes", "request_", "complaint"),
    [
        pytest.param(
            LAPTOP,
            LaneRequest(workers=999),
            "1 lane of 999 workers needs 899.11 CPUs (0.9 a worker, 0.01 a lane), but the cluster "
            "has 1 node with 2 CPUs: ask for at most 2 workers with --workers",
            id="too-many-workers",
        ),
        pytest.param(
            [Node(8.0, 2.0)],
            LaneRequest(workers=3),
            "and 3 GPUs, but the cluster has 1 node with 8 CPUs and 2 GPUs: ask for at most 2 w",
            id="too-many-for-the-gpus",
        ),
        pytest.param(
            LAPTOP,
            LaneRequest(lanes=2, workers=2),
            "2 lanes of 2 workers need 3.62 CPUs (0.9 a worker, 0.01 a lane), each lane on one "
            "node, but the cluster has 1 node with 2 CPUs: ask for at most 1 lane of that size",
            id="two-full-lanes-on-one-node",
        ),
        pytest.param(
            [Node(3.0), Node(3.0)],
            LaneRequest(lanes=2, workers=4),
            "each lane on one node, but the cluster has 2 nodes with 3 CPUs: ask for at most 0",
            id="two-lanes-that-would-wait-for-each-other",
        ),
        pytest.param([], LaneRequest(), "has no node: ask for at most 0 workers", id="no-node"),
        pytest.param([Node(0.0)], LaneRequest(), "has 1 node with 0 CPUs", id="a-bare-head"),
    ],
)
def test_what_does_not_fit_is_refused_with_the_arithmetic(
    nodes: list[Node], request_: LaneRequest, complaint: str
) -> None:
    with pytest.raises(ClusterError, match=re.escape(complaint)):
        plan_lanes(nodes, request_, 16)


@st.composite
def clusters(draw: st.DrawFn) -> list[Node]:
    cpus = st.integers(1, 96).map(float)
    return [Node(c) for c in draw(st.lists(cpus, min_size=1, max_size=6))]


@settings(max_examples=60, deadline=None)
@given(
    nodes=clusters(),
    lanes=st.none() | st.integers(1, 12),
    workers=st.none() | st.integers(1, 64),
)
def test_every_plan_can_be_placed_wherever_ray_puts_the_drivers(
    nodes: list[Node], lanes: int | None, workers: int | None
) -> None:
    try:
        plan = plan_lanes(nodes, LaneRequest(lanes, workers), 16)
    except ClusterError:
        assert (lanes, workers) != (None, None)
        return
    assert lanes in (None, plan.lanes)
    assert workers in (None, plan.workers)
    need = plan.workers * CPUS_PER_WORKER
    free = [node.cpus - plan.lanes * DRIVER_CPUS + 1e-9 for node in nodes]
    if plan.lanes == 1:
        held = sum(math.floor(cpus / CPUS_PER_WORKER) for cpus in free)
        assert held >= plan.workers
    else:
        assert sum(math.floor(cpus / need) for cpus in free) >= plan.lanes
