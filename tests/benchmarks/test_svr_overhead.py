"""The overhead benchmark: its steps train, and its rows say what was compared."""

import pytest

from tests.benchmarks.svr_overhead import GOAL, compare
from tests.benchmarks.tower_step import Size, prepare_step
from tests.contracts.objective import read_settings

SMALL = Size(
    name="tiny",
    batch=6,
    bands=8,
    frames=12,
    channels=(4, 8),
    tokens=5,
    vocabulary=20,
    width=8,
    layers=1,
    embed_dim=4,
)


@pytest.mark.parametrize("kind", ["infonce", "static_svr", "dynamic_svr"])
def test_a_step_trains_towers_and_objective(kind: str) -> None:
    step = prepare_step(read_settings(kind=kind, temperature=0.07), SMALL)
    losses = [step() for _ in range(20)]
    assert losses == sorted(losses, reverse=True)
    assert len(set(losses)) > 1


def test_objectives_start_from_the_same_towers_and_batch() -> None:
    base = prepare_step(read_settings(kind="infonce", temperature=0.07), SMALL)
    without_weight = read_settings(kind="static_svr", temperature=0.07, alpha=0.0)
    assert prepare_step(without_weight, SMALL)() == pytest.approx(base(), rel=1e-6)


@pytest.mark.slow
def test_every_row_has_a_ratio_a_goal_and_a_side() -> None:
    rows = list(compare(SMALL, turns=3))
    assert [row.name.split(",")[0] for row in rows] == ["StaticSVR"] * 2 + ["DynamicSVR"] * 2
    assert {(row.peer, row.goal, row.better) for row in rows} == {("InfoNCE", GOAL, "lower")}
    assert all(row.ratio > 0 for row in rows)
