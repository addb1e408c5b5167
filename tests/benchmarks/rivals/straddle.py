r"""GP straddle on the continuous score, with BoTorch.

A SingleTaskGP models the clipped log(score / level); the next trial is where
:math:`1.96 \sigma - |\mu|` is largest over Sobol candidates, after a Sobol start. Trials come in
batches of eight: after each choice the variance is updated as if its mean had been observed.

Shape legend: n = trials, d = dimensions of the cube, C = candidates.

References:
    Bryan et al., "Active learning for identifying function threshold boundaries", NeurIPS 2005.
"""

import warnings

import numpy as np
import torch
from botorch.exceptions.warnings import InputDataWarning, OptimizationWarning
from botorch.models import SingleTaskGP
from botorch.optim.fit import fit_gpytorch_mll_scipy
from botorch.posteriors.gpytorch import GPyTorchPosterior
from gpytorch.mlls import ExactMarginalLogLikelihood  # type: ignore[import-untyped]
from scipy.stats import qmc
from torch import Tensor

from tests.benchmarks.rivals.lab import Floats, Lab
from tests.benchmarks.rivals.readout import height_of

STARTUP_LOG2 = 4
BATCH = 8
MOST_FIT_STEPS = 50
FIT_GROWTH = 1.2  # hyperparameters are fitted again when the trials are a fifth more
CANDIDATES_LOG2 = 10
WIDTH = 1.96


def run_straddle(lab: Lab) -> None:
    """Choose by straddle until the purse is empty."""
    for place in _sobol(lab, STARTUP_LOG2, lab.seed):
        lab.run(place)
    model, fitted_trials = _fit(lab, None, MOST_FIT_STEPS), len(lab.trials)
    for batch in range(10_000):
        is_due = len(lab.trials) >= FIT_GROWTH * fitted_trials
        model = _fit(lab, model, MOST_FIT_STEPS if is_due else 0)
        fitted_trials = len(lab.trials) if is_due else fitted_trials
        for place in _choose(model, _sobol(lab, CANDIDATES_LOG2, 1000 * lab.seed + batch + 1)):
            lab.run(place)


def _sobol(lab: Lab, log2: int, seed: int) -> Floats:
    places = qmc.Sobol(lab.cell.dimensions, scramble=True, rng=seed).random_base2(log2)
    if lab.cell.has_categories:
        places[:, -1] = np.rint(places[:, -1])
    return np.asarray(places, dtype=np.float64)


def _fit(lab: Lab, before: SingleTaskGP | None, most_steps: int) -> SingleTaskGP:
    """Return the model of all trials, its hyperparameters fitted on from where they stood."""
    places_nd = torch.tensor([trial.place for trial in lab.trials], dtype=torch.float64)
    heights_n = torch.tensor([height_of(t.finding.score) for t in lab.trials], dtype=torch.float64)
    with warnings.catch_warnings():
        # The level must stay at zero, so the heights, already of order one, are left as they are.
        warnings.simplefilter("ignore", InputDataWarning)
        warnings.simplefilter("ignore", OptimizationWarning)
        model = SingleTaskGP(places_nd, heights_n[:, None], outcome_transform=None)
        if before is not None:
            model.load_state_dict(before.state_dict())
        likelihood = ExactMarginalLogLikelihood(model.likelihood, model)
        if most_steps > 0:
            fit_gpytorch_mll_scipy(likelihood.train(), options={"maxiter": most_steps})
    model.eval()
    return model


def _choose(model: SingleTaskGP, candidates: Floats) -> Floats:
    """Return the next batch among the candidates."""
    with torch.no_grad():
        posterior = model.posterior(torch.tensor(candidates))
        mean_C = posterior.mean[:, 0]
        assert isinstance(posterior, GPyTorchPosterior)
        covariance_CC = posterior.distribution.covariance_matrix.clone()
        noise = model.likelihood.noise.item()
    chosen = []
    for _ in range(BATCH):
        straddle_C = WIDTH * covariance_CC.diagonal().clamp_min(0).sqrt() - mean_C.abs()
        best = int(straddle_C.argmax())
        chosen.append(best)
        column_C: Tensor = covariance_CC[:, best]
        covariance_CC = covariance_CC - torch.outer(column_C, column_C) / (
            covariance_CC[best, best] + noise
        )
    return candidates[chosen]
