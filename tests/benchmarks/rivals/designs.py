"""Rivals that look at no result before they choose: the grid and random places."""

import math

from scipy.stats import qmc

from tests.benchmarks.rivals.lab import LR_AXIS, Floats, Lab, judged_slices, lattice


def run_grid(lab: Lab) -> None:
    """Run an even grid whose learning rates are twice as many as the values of another axis."""
    values = _grid_values(lab)
    slices = lattice(lab.cell, values)
    while True:  # what early stopping saves buys a second pass, with new seeds
        _walk(lab, slices, max(round(lab.budget / len(slices)), 2))


def run_full_grid(lab: Lab) -> None:
    """Run the grid whose boundary the others are to match: every quarter decade, every slice."""
    _walk(lab, judged_slices(lab.cell), LR_AXIS.points)


def _walk(lab: Lab, slices: Floats, rates: int) -> None:
    for i in range(rates):
        for row in slices:
            lab.run([i / (rates - 1), *row])


def _grid_values(lab: Lab) -> int:
    """Return the values a numeric axis: the learning rate gets about twice as many."""
    if lab.cell.axes == 0:
        return 1
    kinds = 2 if lab.cell.has_categories else 1
    wanted: float = (lab.budget / (2 * kinds)) ** (1 / (1 + lab.cell.axes))
    return max(round(wanted), 2)


def run_random(lab: Lab) -> None:
    """Run scrambled Sobol places, which beat independent ones."""
    engine = qmc.Sobol(lab.cell.dimensions, scramble=True, rng=lab.seed)
    for place in engine.random_base2(math.ceil(math.log2(12 * lab.budget))):
        if lab.cell.has_categories:
            place[-1] = round(place[-1])
        lab.run(place.tolist())
