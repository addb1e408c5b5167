"""The boundary benchmark is fair and adds up: purses, common read-out, goals, the reference."""

import json
import math
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from orchestrator.planners.protocol import Finding, Proposal
from orchestrator.planners.simulated import Surface
from orchestrator.planners.world_kind import WorldKind
from search_spaces.point import Point
from search_spaces.study import PlannerKind, Question, Study
from tests.benchmarks import demo_reference
from tests.benchmarks.rivals.bisections import run_cold, run_warm
from tests.benchmarks.rivals.designs import run_full_grid, run_grid, run_random
from tests.benchmarks.rivals.goals import check_goals
from tests.benchmarks.rivals.lab import (
    STEPS,
    Cell,
    Lab,
    SpentError,
    judged_slices,
    place_of,
    point_at,
    purse_of,
    true_boundary,
    within,
)
from tests.benchmarks.rivals.method import Method
from tests.benchmarks.rivals.readout import read_boundary
from tests.orchestrator.planners.studies import LR_AXIS, make_study

CELLS = (Cell(WorldKind.SMOOTH, 0), Cell(WorldKind.SMOOTH, 1), Cell(WorldKind.SMOOTH, 1, True))


@pytest.mark.parametrize("run", [run_grid, run_random, run_cold, run_warm])
@pytest.mark.parametrize("cell", CELLS)
def test_every_design_spends_its_purse_and_no_more(run: object, cell: Cell) -> None:
    assert callable(run)
    lab = Lab(cell, seed=1, budget=48)
    with suppress(SpentError):
        run(lab)
    spent = sum(trial.finding.steps for trial in lab.trials)
    assert purse_of(48) - STEPS < spent <= purse_of(48)
    assert all(0.0 <= u <= 1.0 for trial in lab.trials for u in trial.place)


@pytest.mark.parametrize("run", [run_random, run_cold, run_warm])
def test_a_careful_design_finds_the_boundary_of_a_smooth_world(run: object) -> None:
    assert callable(run)
    cell = Cell(WorldKind.SMOOTH, 1)
    lab = Lab(cell, seed=0, budget=96)
    with suppress(SpentError):
        run(lab)
    found = read_boundary(lab.trials, judged_slices(cell))
    assert np.abs(found - true_boundary(cell, 0)).mean() < 0.06


def test_the_full_grid_has_2057_trials() -> None:
    lab = Lab(Cell(WorldKind.SMOOTH, 2), seed=0, budget=2057)
    run_full_grid(lab)
    assert len(lab.trials) == 2057


def test_a_smaller_budget_sees_the_beginning_of_a_run() -> None:
    lab = Lab(CELLS[1], seed=0, budget=48)
    with suppress(SpentError):
        run_random(lab)
    early = within(lab.trials, 24)
    assert early == lab.trials[: len(early)]
    spent = sum(trial.finding.steps for trial in early)
    assert purse_of(24) - STEPS < spent <= purse_of(24)


@pytest.mark.parametrize("place", [(0.0, 1.0, 1.0), (0.3, 0.25, 0.0), (1.0, 0.0, 1.0)])
def test_places_and_points_are_each_others_inverse(place: tuple[float, ...]) -> None:
    cell = CELLS[2]
    assert place_of(cell, point_at(cell, place)) == pytest.approx(place, abs=1e-12)


def row(method: Method, error: float, **changes: object) -> dict[str, object]:
    plain = {"world": "smooth", "axes": 2, "budget": 96, "trials": 96, "trial_steps": 8000}
    return plain | {"method": method.value, "error": error, "error_se": 0.002} | changes


def test_goals_are_met_and_missed_as_the_rows_say() -> None:
    grid = row(Method.FULL_GRID, 0.01, budget=2057, trials=2057, trial_steps=150_000)
    rows = [
        grid,
        row(Method.OURS, 0.020),
        row(Method.STRADDLE, 0.019),
        row(Method.OURS, 0.021, world="lapses"),
        row(Method.BISECTION, 0.040, world="lapses"),
    ]
    met = [goal["met"] for goal in check_goals(rows)]
    assert met == [True, False, True, True]
    too_dear = [grid, row(Method.OURS, 0.020, trials=200)]
    assert [goal["met"] for goal in check_goals(too_dear)] == [False]


REFERENCE_WORLD = Surface(base=0.3, seed_noise=0.2, seed=3)


def dense(seeds: int) -> tuple[Study, dict[str, tuple[Proposal, Finding]]]:
    study = make_study(PlannerKind.BISECT, Question.BOUNDARY, (LR_AXIS,))
    proposals = demo_reference.dense_proposals(study, per_decade=8, seeds=seeds)
    assert len(proposals) == 33 * seeds
    return study, {p.key: (p, REFERENCE_WORLD.find(p)) for p in proposals}


def test_the_dense_grid_reads_each_seeds_threshold_between_its_trials() -> None:
    study, found = dense(seeds=5)
    (entry,) = demo_reference.read_reference(study, found, seeds=5)
    for seed, threshold in enumerate(entry.thresholds):
        assert threshold is not None
        trial = Proposal(Point.of({"lr": 10.0**threshold}), seed)
        # By its own threshold a seed scores exactly the level.
        exact = math.log(REFERENCE_WORLD.find(trial).score / 2.0)
        assert abs(exact) < 0.1
    assert entry.median == np.median(np.array(entry.thresholds, dtype=float))


def test_a_slice_whose_seeds_never_cross_has_no_reference() -> None:
    study, found = dense(seeds=3)
    healthy = {key: (p, replace(f, is_collapsed=False, score=9.0)) for key, (p, f) in found.items()}
    (entry,) = demo_reference.read_reference(study, healthy, seeds=3)
    assert (entry.thresholds, entry.median) == ((None, None, None), None)


def test_the_reference_is_kept_with_digests_that_are_checked(tmp_path: Path) -> None:
    study, found = dense(seeds=3)
    path = tmp_path / "reference.json"
    demo_reference.save(study, found, per_decade=8, seeds=3, path=path)
    about, slices = demo_reference.load(study, path)
    assert about["trials"] == 99
    assert slices[0].point == Point.of({})

    with pytest.raises(ValueError, match="make it again with --make-reference"):
        demo_reference.load(replace(study, seed=5), path)
    content = json.loads(path.read_text())
    content["slices"][0]["median"] = 0.0
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match="was changed after it was made"):
        demo_reference.load(study, path)
