"""The read-out that every rival without a posterior of its own gets: one Gaussian process.

It models the continuous score, log(score / level), over the whole cube, clipped where the score
says nothing of the boundary (far above the level, and at the floor of rank 1), by a Matern 5/2
kernel with a length per axis plus a linear trend and white noise; hyperparameters by marginal
likelihood. The boundary of a slice is the single cut that best parts positive from negative
means. Of many trials the 400 nearest to the level are enough.

Shape legend: n = trials, d = dimensions of the cube, T = slices, X = learning rates of a slice.
"""

import warnings
from collections.abc import Sequence

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, DotProduct, Matern, WhiteKernel

from tests.benchmarks.rivals.lab import DECADES, LEVEL, LR_AXIS, Floats, Trial

CEILING = 2.0  # of log(score / level): a score of 15 where the level is 2
FLOOR = -np.log(LEVEL)
MOST_TRIALS = 400
PLACES = 161  # learning rates at which a slice is looked at


def read_boundary(trials: Sequence[Trial], slices_Td: Floats) -> Floats:
    """Return the log10 critical learning rate of every slice, shape (T,)."""
    places_nd = np.array([trial.place for trial in trials])
    heights_n = np.array([height_of(trial.finding.score) for trial in trials])
    keep_n = np.argsort(np.abs(heights_n), kind="stable")[:MOST_TRIALS]
    model = fit(places_nd[keep_n], heights_n[keep_n])
    line_X = np.linspace(0, 1, PLACES)
    return np.array([_cut(line_X, _heights_along(model, line_X, row)) for row in slices_Td])


def height_of(score: float) -> float:
    """Return log(score / level), clipped; a diverged trial lies on the floor."""
    return float(np.clip(np.log(max(score, 1.0) / LEVEL), FLOOR, CEILING))


def fit(places_nd: Floats, heights_n: Floats) -> GaussianProcessRegressor:
    """Return the process, its hyperparameters fitted from two starts."""
    d = places_nd.shape[1]
    best: GaussianProcessRegressor | None = None
    for length in (0.15, 0.6):
        lengths = [length / 2] + [length] * (d - 1)
        kernel = (
            ConstantKernel(1.0, (1e-2, 1e2)) * Matern(lengths, (0.03, 30.0), nu=2.5)
            + ConstantKernel(1.0, (1e-4, 1e2)) * DotProduct(1.0, "fixed")
            + WhiteKernel(0.05, (1e-5, 1.0))
        )
        with warnings.catch_warnings():
            # A length at its bound is an axis that does not matter.
            warnings.simplefilter("ignore", ConvergenceWarning)
            model = GaussianProcessRegressor(kernel, normalize_y=False).fit(
                places_nd - 0.5, heights_n
            )
        is_better = best is None or (
            model.log_marginal_likelihood_value_ > best.log_marginal_likelihood_value_
        )
        best = model if is_better else best
    assert best is not None
    return best


def _heights_along(model: GaussianProcessRegressor, line_X: Floats, row: Floats) -> Floats:
    places = np.column_stack([line_X, np.tile(row, (len(line_X), 1))])
    return np.asarray(model.predict(places - 0.5), dtype=np.float64)


def _cut(line_X: Floats, heights_X: Floats) -> float:
    """Return where healthy turns to collapsed, the one cut that most of the mean agrees with."""
    healthy_below = np.concatenate([[0.0], np.cumsum(heights_X)])
    cut = int(np.argmax(healthy_below))
    if 0 < cut < len(line_X):
        above, below = heights_X[cut - 1], heights_X[cut]
        share = above / (above - below)
        unit = line_X[cut - 1] + share * (line_X[cut] - line_X[cut - 1])
    else:
        unit = line_X[min(cut, len(line_X) - 1)]
    return float(np.log10(LR_AXIS.low) + DECADES * unit)
