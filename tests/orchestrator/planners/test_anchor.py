"""Pseudo-observations of another study against dense textbook formulas."""

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from orchestrator.planners.study_space import open_search
from orchestrator.planners.surface.anchor import LOG_ODDS, Anchor
from orchestrator.planners.surface.fit import fit_surface
from orchestrator.planners.surface.kernel import Places
from orchestrator.planners.surface.space import NumberAxis
from orchestrator.planners.surface.trials import Trials
from tests.orchestrator.planners.lab import observe
from tests.orchestrator.planners.prior_lab import LATER, world_of

LOW, HIGH = -2.0, 2.0


def draw_places(count: int, seed: int) -> Places:
    draw = np.random.default_rng(seed)
    return Places(draw.random((count, 2)), draw.integers(0, 2, (count, 1)))


def draw_anchor(count: int = 9) -> Anchor:
    root = np.random.default_rng(1).normal(0.0, 0.1, (count, count))
    return Anchor(draw_places(count, 2), np.linspace(-1.0, 1.0, count), root @ root.T)


def nothing_told() -> Trials:
    none = np.zeros(0)
    return Trials(draw_places(0, 0), none, none.astype(np.int64), none, none.astype(bool))


def test_without_trials_the_surface_is_the_prior_conditioned_on_it() -> None:
    anchor, places = draw_anchor(), draw_places(5, 3)
    fit = fit_surface(nothing_told(), LOW, HIGH, anchor)
    kernel = fit.belief.basis.kernel
    inverse = np.linalg.inv(kernel.matrix(anchor.places, anchor.places) + anchor.loosened())
    cross = kernel.matrix(places, anchor.places)
    covariance = kernel.matrix(places, places) - cross @ inverse @ cross.T

    mean, variance = fit.belief.at(places)
    assert mean == pytest.approx(cross @ inverse @ anchor.mean_P, abs=1e-6)
    assert variance == pytest.approx(np.diag(covariance), abs=1e-6)
    assert fit.belief.covariance(places) == pytest.approx(covariance, abs=1e-6)


def test_without_trials_the_odds_are_those_beforehand() -> None:
    alone = fit_surface(nothing_told(), LOW, HIGH).belief
    assert draw_anchor().log_odds(alone) == pytest.approx(LOG_ODDS)


def test_the_odds_are_a_ratio_of_normal_densities() -> None:
    search = open_search(LATER, ())
    for setting in search.ask(24):
        search.tell(setting, observe(world_of(0), setting))
    belief = search.fit().belief
    draw = np.random.default_rng(5)
    places = Places(draw.random((6, 1)), draw.integers(0, 2, (6, 1)))
    anchor = Anchor(places, np.full(6, 0.3), 0.01 * np.eye(6))
    noise = anchor.loosened()
    prior = np.full(6, belief.mean), belief.basis.kernel.matrix(places, places) + noise
    posterior = belief.at(places)[0], belief.covariance(places) + noise
    after, before = (
        float(multivariate_normal(mean, covariance).logpdf(anchor.mean_P))
        for mean, covariance in (posterior, prior)
    )
    assert anchor.log_odds(belief) == pytest.approx(LOG_ODDS + after - before)


def test_a_prior_is_never_believed_closer_than_the_change_it_allows() -> None:
    sure = Anchor(draw_places(30, 4), np.zeros(30), np.zeros((30, 30)))
    fit = fit_surface(nothing_told(), LOW, HIGH, sure)
    _, variance = fit.belief.at(sure.places)
    assert np.sqrt(variance).min() > 0.1
    assert np.linalg.eigvalsh(sure.loosened()).min() > 0


@pytest.mark.parametrize(
    ("value", "share"),
    [(0.1, 0.0), (0.2, 0.5), (0.8, 1.0), (0.15, 0.25), (0.5, 0.75), (0.05, -0.25), (1.4, 1.5)],
)
def test_values_between_and_beyond_listed_ones_lie_along_even_steps(
    value: float, share: float
) -> None:
    axis = NumberAxis("a", 0.1, 0.8, values=(0.2, 0.1, 0.8))
    assert axis.to_unit(value) == pytest.approx(share)
