"""Rivals from Optuna: minimise \\|log(score / level)\\|, so that trials gather at the boundary."""

import logging
import warnings

import optuna
from optuna.samplers import BaseSampler, GPSampler, TPESampler

from tests.benchmarks.rivals.lab import Lab
from tests.benchmarks.rivals.readout import height_of

STARTUP = 16


def run_tpe(lab: Lab) -> None:
    """Let the tree-structured Parzen estimator ask, all axes modelled together."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        sampler = TPESampler(seed=lab.seed, multivariate=True, n_startup_trials=STARTUP)
    _minimise(lab, sampler)


def run_gp_sampler(lab: Lab) -> None:
    """Let Optuna's Gaussian process (log expected improvement) ask."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        sampler = GPSampler(seed=lab.seed, n_startup_trials=STARTUP)
    _minimise(lab, sampler)


def _minimise(lab: Lab, sampler: BaseSampler) -> None:
    logging.getLogger("optuna").setLevel(logging.WARNING)
    study = optuna.create_study(sampler=sampler)
    while True:
        trial = study.ask()
        place = [trial.suggest_float(f"u{i}", 0.0, 1.0) for i in range(1 + lab.cell.axes)]
        if lab.cell.has_categories:
            place.append(float(trial.suggest_categorical("kind", [0, 1])))
        score = lab.run(place).finding.score
        study.tell(trial, abs(height_of(score)))
