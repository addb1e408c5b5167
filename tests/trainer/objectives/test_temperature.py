"""The learned temperature: naive loops, finite differences, its bound, and the fixed one's bits."""

import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.testing import assert_close

from tests.contracts.objective import MEMBERS, context_for, evaluate, random_batch, read_settings
from tests.trainer.losses.references import loop_infonce, loop_one_way_infonce, unit_rows
from trainer.objective import build_objective, structure
from trainer.objective_settings import ObjectiveSettings
from trainer.objectives.temperature import at_most, init_log_scale, learned_temperature

BATCH = random_batch(7, 4)
SCALES = torch.tensor([0.3, 2.0, 4.5], dtype=torch.float64)


def learned(kind: str, **fields: object) -> list[ObjectiveSettings]:
    return [read_settings(kind=kind, temperature_mode="learnable", **fields)] * MEMBERS


@settings(max_examples=20, deadline=None)
@given(log_scale=st.floats(-1.0, 4.6), seed=st.integers(0, 99))
def test_loss_and_gradient_are_those_of_a_loop(log_scale: float, seed: int) -> None:
    batch = random_batch(6, 4, seed=seed)
    objective = build_objective(learned("infonce"), context_for(batch))
    parameters = {"log_scale": torch.full((MEMBERS,), log_scale, dtype=torch.float64)}
    found = evaluate(objective, batch, parameters)
    x, y = (view[0] / view[0].norm(dim=1, keepdim=True) for view in batch.pair)
    low, mid, high = (loop_infonce(x, y, math.exp(-log_scale + e)) for e in (1e-5, 0, -1e-5))
    assert found.losses_M[0].item() == pytest.approx(mid, rel=1e-9, abs=1e-12)
    slope = (high - low) / 2e-5
    assert found.gradients["log_scale"][0].item() == pytest.approx(slope, rel=1e-5, abs=1e-7)


@pytest.mark.parametrize("pairs", [5, 40])
@pytest.mark.parametrize("is_tiled", [False, True], ids=["fused", "tiled"])
def test_its_gradient_is_right_in_both_fused_forms(
    pairs: int, is_tiled: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if is_tiled:
        monkeypatch.setattr("trainer.losses.infonce.LARGEST_BUFFER_BYTES", 0)
    batch = random_batch(pairs, 4)
    objective = build_objective(learned("infonce"), context_for(batch))

    def losses(log_scale_M: torch.Tensor) -> torch.Tensor:
        return objective({"log_scale": log_scale_M}, batch)

    assert torch.autograd.gradcheck(losses, (SCALES.clone().requires_grad_(),))


def test_support_vectors_are_scored_at_the_learned_temperature_too() -> None:
    members = learned("static_svr", radius_mode="fixed", radius=0.4, sides="uni", alpha=0.7)
    objective = build_objective(members, context_for(BATCH))
    found = evaluate(objective, BATCH, {"log_scale": SCALES})
    x, y = (view[1] / view[1].norm(dim=1, keepdim=True) for view in BATCH.pair)
    supports = x + 0.4 * (y - x) / (y - x).norm(dim=1, keepdim=True)

    def loop(log_scale: float) -> float:
        tau = math.exp(-log_scale)
        return loop_infonce(x, y, tau) + 0.7 * loop_one_way_infonce(supports, y, tau)

    assert found.losses_M[1].item() == pytest.approx(loop(2.0), rel=1e-10)
    slope = (loop(2.0 + 1e-5) - loop(2.0 - 1e-5)) / 2e-5
    assert found.gradients["log_scale"][1].item() == pytest.approx(slope, rel=1e-5)


@pytest.mark.parametrize("kind", ["infonce", "static_svr", "dynamic_svr"])
def test_it_starts_as_the_fixed_one_of_the_same_value(kind: str) -> None:
    fixed = [read_settings(kind=kind, temperature=0.2)] * MEMBERS
    objective = build_objective(learned(kind, temperature=0.2), context_for(BATCH))
    assert objective.init_parameters()["log_scale"].exp().tolist() == pytest.approx([5.0] * 3)
    expected = evaluate(build_objective(fixed, context_for(BATCH)), BATCH)
    found = evaluate(objective, BATCH)
    assert_close(found.losses_M, expected.losses_M, rtol=1e-12, atol=0)
    assert_close(found.gradients["x"], expected.gradients["x"], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("kind", ["infonce", "static_svr", "dynamic_svr"])
def test_a_fixed_temperature_is_no_parameter_and_another_structure(kind: str) -> None:
    fixed = read_settings(kind=kind)
    parameters = build_objective([fixed] * 3, context_for(BATCH)).init_parameters()
    assert "log_scale" not in parameters
    assert structure(fixed) != structure(read_settings(kind=kind, temperature_mode="learnable"))


def test_cosines_are_multiplied_by_a_hundred_at_most() -> None:
    above = {"log_scale": torch.tensor([0.0, math.log(100), 5.0, 700.0], dtype=torch.float64)}
    assert (1 / learned_temperature(above)).tolist() == pytest.approx([1, 100, 100, 100])
    start = init_log_scale(torch.tensor([0.01, 1.0]).double())["log_scale"]
    assert start.tolist() == pytest.approx([math.log(100), 0.0])


@pytest.mark.parametrize(
    ("value", "pull", "expected"),
    [
        pytest.param(1.0, -1.0, -1.0, id="below-rising"),
        pytest.param(1.0, 1.0, 1.0, id="below-falling"),
        pytest.param(3.0, -1.0, 0.0, id="above-rising-is-cut"),
        pytest.param(3.0, 1.0, 1.0, id="above-falling-passes"),
    ],
)
def test_the_bound_can_be_left_but_not_passed(value: float, pull: float, expected: float) -> None:
    leaf = torch.tensor([value], requires_grad=True)
    (gradient,) = torch.autograd.grad(pull * at_most(leaf, 2.0).sum(), leaf)
    assert gradient.item() == expected


def test_descent_comes_back_from_above_the_bound() -> None:
    # Hard pairs want a high temperature: from 1 / tau far above 100 descent finds the way down.
    x, y = unit_rows(8, 4, seed=0), unit_rows(8, 4, seed=1)
    batch = replace(random_batch(8, 4), views_MND=torch.cat([x, y]).expand(MEMBERS, -1, -1))
    objective = build_objective(learned("infonce"), context_for(batch))
    log_scale_M = torch.full((MEMBERS,), 4.7, dtype=torch.float64)
    for _ in range(20):
        log_scale_M = (
            log_scale_M
            - 0.01 * evaluate(objective, batch, {"log_scale": log_scale_M}).gradients["log_scale"]
        )
    assert (log_scale_M < math.log(100)).all()


def test_a_nan_stays_a_nan() -> None:
    assert at_most(torch.tensor([math.nan]), 2.0).isnan().all()
