"""BoundarySampler: Optuna's own conformance suite, and that it finds known boundaries."""

import math
from collections.abc import Callable

import optuna
import pytest
from optuna.samplers import BaseSampler, RandomSampler
from optuna.testing.pytest_samplers import (
    BasicSamplerTestCase,
    RelativeSamplerTestCase,
    SingleOnlySamplerTestCase,
)

from orchestrator.planners.boundary_sampler import BoundarySampler

Objective = Callable[[optuna.Trial], float]


class TestOptunasConformanceSuite(
    BasicSamplerTestCase, RelativeSamplerTestCase, SingleOnlySamplerTestCase
):
    @pytest.fixture
    def sampler(self) -> Callable[[], BaseSampler]:
        return lambda: BoundarySampler(lr="x", level=2.0, seed=0)


def rank_of(lr: float, critical_lr: float) -> float:
    """A score that falls from 31 to 1 and is 2 exactly at the critical learning rate."""
    return 1.0 + 30.0 / (1.0 + 29.0 * (lr / critical_lr) ** 3)


def critical_lr(temperature: float, kind: str = "clop") -> float:
    return (0.5 if kind == "clop" else 2.0) * math.sqrt(temperature)


def measure(trial: optuna.Trial) -> float:
    lr = trial.suggest_float("lr", 1e-3, 100.0, log=True)
    temperature = trial.suggest_float("temperature", 0.05, 1.0, log=True)
    kind = trial.suggest_categorical("kind", ["clop", "infonce"])
    return rank_of(lr, critical_lr(temperature, kind))


def run(objective: Objective, trials: int, seed: int = 0) -> tuple[optuna.Study, BoundarySampler]:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    sampler = BoundarySampler(level=2.0, seed=seed)
    study = optuna.create_study(sampler=sampler)
    study.optimize(objective, n_trials=trials)
    return study, sampler


def test_it_finds_the_boundary_over_numbers_and_categories() -> None:
    study, sampler = run(measure, 50)
    for temperature in (0.06, 0.25, 0.9):
        for kind in ("clop", "infonce"):
            found = sampler.boundary(study, {"temperature": temperature, "kind": kind})
            truth = critical_lr(temperature, kind)
            assert abs(math.log10(found.median / truth)) < 0.15, (temperature, kind)
            assert found.lo < found.median < found.hi


def test_trials_gather_at_the_boundary() -> None:
    study, _ = run(measure, 40)
    away = [
        abs(math.log10(t.params["lr"] / critical_lr(t.params["temperature"], t.params["kind"])))
        for t in study.trials
    ]
    # The range has five decades: of random trials half would lie more than one away.
    assert sum(distance < 0.5 for distance in away[20:]) >= 15


def test_without_other_parameters_the_place_is_empty() -> None:
    study, sampler = run(lambda t: rank_of(t.suggest_float("lr", 1e-3, 10.0, log=True), 0.2), 20)
    assert sampler.boundary(study).median == pytest.approx(0.2, rel=0.15)


def test_a_linear_or_whole_range_is_searched_too() -> None:
    steps, sampler = run(lambda t: 4.0 - t.suggest_int("lr", 0, 40) / 10, 25)
    assert sampler.boundary(steps).median == pytest.approx(20.0, abs=2.0)


def test_pruned_trials_lie_beyond_the_boundary() -> None:
    def diverges(trial: optuna.Trial) -> float:
        if trial.suggest_float("lr", 1e-3, 10.0, log=True) > 0.3:
            raise optuna.TrialPruned
        return 20.0

    study, sampler = run(diverges, 30)
    found = sampler.boundary(study)
    assert found.lo < 0.3 < found.hi
    assert found.median == pytest.approx(0.3, rel=0.6)


def test_where_nothing_collapses_the_boundary_lies_above() -> None:
    study, sampler = run(lambda t: 9.0 + 0 * t.suggest_float("lr", 1e-3, 10.0, log=True), 25)
    assert sampler.boundary(study).p_above > 0.5


def test_trials_that_are_running_are_not_asked_again() -> None:
    study, _ = run(measure, 8)
    asked = [study.ask(dict(study.trials[-1].distributions)) for _ in range(6)]
    assert len({tuple(trial.params.values()) for trial in asked}) == 6


def test_equal_seeds_ask_alike() -> None:
    (one, _), (two, _), (other, _) = (run(measure, 12, seed) for seed in (3, 3, 4))
    assert [t.params for t in one.trials] == [t.params for t in two.trials]
    assert [t.params for t in one.trials] != [t.params for t in other.trials]


def test_parameters_that_not_every_trial_has_are_left_to_independent_sampling() -> None:
    def conditional(trial: optuna.Trial) -> float:
        score = measure(trial)
        if trial.params["kind"] == "clop":
            trial.suggest_float("lambda", 0.1, 1.5)
        return score

    study, sampler = run(conditional, 20)
    assert {"lambda" in trial.params for trial in study.trials} == {True, False}
    assert sampler.boundary(study, {"temperature": 0.3, "kind": "clop"}).median > 0


def test_another_samplers_trials_are_read_alike() -> None:
    study = optuna.create_study(sampler=RandomSampler(0))
    study.optimize(measure, n_trials=60)
    found = BoundarySampler(seed=0).boundary(study, {"temperature": 0.25, "kind": "clop"})
    assert found.median == pytest.approx(0.25, rel=0.6)


@pytest.mark.parametrize(
    ("place", "complaint"),
    [
        ({}, "expected values for kind, temperature, got none"),
        ({"temperature": 0.1, "kind": "clop", "lr": 1.0}, "got kind, lr, temperature"),
        ({"temperature": 7.0, "kind": "clop"}, "temperature: 7.0 is not on"),
        ({"temperature": 0.1, "kind": "siglip"}, "kind: 'siglip' is not on"),
    ],
)
def test_a_place_that_is_none_is_refused(place: dict[str, object], complaint: str) -> None:
    study, sampler = run(measure, 3)
    with pytest.raises(ValueError, match=complaint):
        sampler.boundary(study, place)


def test_a_boundary_needs_trials() -> None:
    with pytest.raises(ValueError, match="no finished trial has suggested 'lr' as a range"):
        BoundarySampler().boundary(optuna.create_study())


@pytest.mark.parametrize("level", [0.0, -1.0, math.inf, math.nan])
def test_a_level_that_scores_cannot_cross_is_refused(level: float) -> None:
    with pytest.raises(ValueError, match="level must be positive and finite"):
        BoundarySampler(level=level)
