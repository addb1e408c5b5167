"""Parts of the surface model against closed forms and finite differences."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import ndtr

from orchestrator.planners.boundary_search import BoundarySearch
from orchestrator.planners.study_space import space_of
from orchestrator.planners.surface.belief import Basis
from orchestrator.planners.surface.fall import NODES
from orchestrator.planners.surface.inference import Inference
from orchestrator.planners.surface.kernel import Kernel, Places
from orchestrator.planners.surface.link import Scores
from orchestrator.planners.surface.readings import Readings
from orchestrator.planners.surface.sites import propagate
from orchestrator.planners.world_kind import WorldKind
from orchestrator.planners.worlds import build_world
from tests.orchestrator.planners.lab import observe, study_over

KERNEL = Kernel(offset=1.0, amplitude=0.4, lengths_A=(0.5, 0.9), sharing=0.6)


def random_places(n: int, seed: int = 0) -> Places:
    draw = np.random.default_rng(seed)
    return Places(draw.random((n, 2)), draw.integers(0, 2, (n, 1)))


def test_near_readings_without_lapses_are_plain_gaussian_regression() -> None:
    draw = np.random.default_rng(1)
    places = random_places(12)
    centre, width, nugget = draw.normal(size=12), np.full(12, 0.1), np.full(12, 0.05)
    readings = Readings(
        is_near_n=np.ones(12, dtype=bool),
        centre_n=centre,
        width_n=width,
        sign_n=np.ones(12),
        log_slope_n=np.zeros(12),
        lapse_density=1.0,
    )
    basis = Basis.choose(KERNEL, places)
    features = basis.features(places)
    _, weights = propagate(readings, 0.0, features, nugget, np.arange(12))

    prior = KERNEL.matrix(places, places)
    expected = prior @ np.linalg.solve(prior + np.diag(width**2 + nugget), centre)
    assert features @ weights.mean_M == pytest.approx(expected, abs=1e-6)


def test_one_label_gives_the_probit_moments() -> None:
    # h ~ N(0, 1 + 1), healthy above 0.5: the mean of h by quadrature, half of it the weight's.
    grid = np.linspace(-12, 12, 200_001)
    mass = np.exp(-0.25 * grid**2) * (0.01 + 0.98 * ndtr((grid - 0.5) / 0.3))
    mean = float(mass @ grid / mass.sum())
    readings = Readings(
        is_near_n=np.zeros(1, dtype=bool),
        centre_n=np.array([0.5]),
        width_n=np.array([0.3]),
        sign_n=np.ones(1),
        log_slope_n=np.zeros(1),
        lapse_density=1.0,
    )
    nowhere = np.zeros(1, dtype=np.int64)
    _, weights = propagate(readings, 0.02, np.ones((1, 1)), np.ones(1), nowhere)
    assert float(weights.mean_M[0]) == pytest.approx(mean / 2, abs=2e-3)


def test_features_reproduce_the_covariance_exactly_while_places_are_few() -> None:
    places, elsewhere = random_places(40), random_places(15, seed=3)
    basis = Basis.choose(KERNEL, places)
    features = basis.features(places)
    assert features @ features.T == pytest.approx(KERNEL.matrix(places, places), abs=1e-5)
    assert (basis.left_over(elsewhere, basis.features(elsewhere)) >= 0).all()


def test_the_kernel_is_symmetric_and_positive_with_its_diagonal() -> None:
    places = random_places(30)
    matrix = KERNEL.matrix(places, places)
    assert matrix == pytest.approx(matrix.T)
    assert np.linalg.eigvalsh(matrix).min() > -1e-9
    assert np.diag(matrix) == pytest.approx(KERNEL.diagonal(places))


def test_distances_are_zero_at_the_level_and_fall_with_the_score() -> None:
    y = np.array([2.0, 0.9, 0.3, 0.05, 0.0, -0.05, -0.2, -0.5, -0.7, -np.inf])
    scores = Scores.read(y, y < 0)
    distances = scores.distances(np.full(NODES, np.log(0.3)))[scores.is_near_n]
    assert (np.diff(distances) > 0).all()
    assert distances[y[scores.is_near_n] == 0.0] == 0.0
    assert distances[y[scores.is_near_n] == 0.05] == pytest.approx(-0.3 * 0.05)
    assert not scores.is_near_n[[0, -1]].any()


def test_a_label_that_contradicts_its_score_says_only_on_which_side() -> None:
    scores = Scores.read(np.array([0.1, 1.0, -0.1, -0.6]), np.array([True, False, False, True]))
    assert not scores.is_near_n[[0, 2]].any()
    assert not scores.is_beyond()[[0, 2]].any()


def test_the_gradient_of_the_evidence_agrees_with_finite_differences() -> None:
    study = study_over(2, has_words=True)
    world = build_world(WorldKind.LAPSES, study, 0)
    search = BoundarySearch(space_of(study), 2.0)
    for _ in range(3):
        for setting in search.ask(16):
            search.tell(setting, observe(world, setting))
    fit = search.fit()
    inference = Inference(search.trials(), fit.layout, fit.scores, 0.0)
    state = inference.step(inference.start(), 10)
    factor_T = np.random.default_rng(1).uniform(0.3, 3.0, len(state.factor_T))
    objective = inference.explain(replace(state, factor_T=factor_T))
    assert objective is not None
    at = state.vector + 0.1 * np.random.default_rng(0).normal(size=len(state.vector))
    step = 1e-5
    steps = step * np.eye(len(at))
    numeric = [(objective(at + s)[0] - objective(at - s)[0]) / (2 * step) for s in steps]
    assert objective(at)[1] == pytest.approx(np.array(numeric), abs=1e-4)
