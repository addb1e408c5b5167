"""Drift of bound objectives: finite differences, both planes, divergence, steps."""

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.nn.functional import normalize

from tests.contracts.objective import context_for, random_batch, read_settings, take_members
from tests.trainer.losses.references import loop_infonce, loop_one_way_infonce
from trainer.losses.radius import PredictorWidthError
from trainer.objective import Objective, ObjectiveBatch, build_objective
from trainer.pair_drift import drift_grad_measures, drift_step_measures

TAU = 0.2
BATCH = random_batch(5, 4)
GRAD_NAMES = {
    "drift_grad_text",
    "drift_grad_audio",
    "drift_grad_tangent_text",
    "drift_grad_tangent_audio",
}


def bind(batch: ObjectiveBatch = BATCH, **fields: object) -> Objective:
    members = len(batch.views_MND)
    return build_objective([read_settings(**fields)] * members, context_for(batch))


def measure(objective: Objective, batch: ObjectiveBatch = BATCH) -> list[dict[str, float]]:
    return drift_grad_measures(objective, objective.init_parameters(), batch)


def unit_pair(batch: ObjectiveBatch, member: int) -> tuple[Tensor, Tensor]:
    x, y = (normalize(view[member].double(), dim=-1) for view in batch.pair)
    return x, y


def loop_svr(rows: Tensor, radius: float) -> float:
    """Return the loss of rows of any length, those of x before those of y."""

    def side(anchors: Tensor, partners: Tensor) -> float:
        pull = partners - anchors
        supports = anchors + radius * pull / pull.norm(dim=1, keepdim=True)
        return loop_one_way_infonce(supports, partners, TAU)

    x, y = rows.chunk(2)
    return loop_infonce(x, y, TAU) + 0.7 * (side(x, y) + side(y, x))


def numeric_gradient(x: Tensor, y: Tensor, radius: float) -> tuple[Tensor, Tensor]:
    rows = torch.cat([x, y])
    gradient = torch.zeros_like(rows)
    for place in range(rows.numel()):
        nudge = torch.zeros_like(rows)
        nudge.view(-1)[place] = 1e-5
        rise = loop_svr(rows + nudge, radius) - loop_svr(rows - nudge, radius)
        gradient.view(-1)[place] = rise / 2e-5
    gradient_x, gradient_y = gradient.chunk(2)
    return gradient_x, gradient_y


def mean_cosine(update: Tensor, pull: Tensor) -> float:
    pairs = zip(update, pull, strict=True)
    return sum(float(u @ p) / float(u.norm() * p.norm()) for u, p in pairs) / len(update)


def tangent(vectors: Tensor, at: Tensor) -> Tensor:
    return vectors - (vectors * at).sum(dim=1, keepdim=True) * at


@pytest.mark.parametrize("radius", [0.0, 0.4, 1.2])
def test_agrees_with_a_naive_loss_by_finite_differences(radius: float) -> None:
    # The naive loss takes rows of any length: nothing normalises between leaf and loss.
    objective = bind(
        kind="static_svr", temperature=TAU, alpha=0.7, radius=radius, radius_mode="fixed"
    )
    found = measure(objective)[1]
    x, y = unit_pair(BATCH, 1)
    gradient_x, gradient_y = numeric_gradient(x, y, radius)
    assert found == pytest.approx(
        {
            "drift_grad_text": mean_cosine(-gradient_x, y),
            "drift_grad_audio": mean_cosine(-gradient_y, x),
            "drift_grad_tangent_text": mean_cosine(tangent(-gradient_x, x), tangent(y, x)),
            "drift_grad_tangent_audio": mean_cosine(tangent(-gradient_y, y), tangent(x, y)),
        },
        abs=1e-6,
    )


def test_the_ambient_cosine_is_not_that_of_the_normalised_gradient() -> None:
    # What a second normalisation would give: its gradient has no part along the embedding.
    objective = bind(kind="infonce", temperature=TAU)
    leaf = BATCH.views_MND.clone().requires_grad_()
    losses = objective({}, replace(BATCH, views_MND=leaf))
    (gradient,) = torch.autograd.grad(losses.sum(), leaf)
    projected, _ = gradient[0].chunk(2)
    x, y = unit_pair(BATCH, 0)
    found = measure(objective)[0]
    assert abs(mean_cosine(-projected, y) - found["drift_grad_text"]) > 0.05
    assert mean_cosine(-projected, tangent(y, x)) == pytest.approx(found["drift_grad_tangent_text"])


@pytest.mark.parametrize(
    "kind",
    ["infonce", "nt_xent", "siglip", "dcl", "cl", "nscl", "supcon", "static_svr", "dynamic_svr"],
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_every_kind_is_measured_the_same_whoever_else_is_there(
    kind: str, dtype: torch.dtype
) -> None:
    batch = random_batch(9, 5, dtype=dtype)
    together = measure(bind(batch, kind=kind), batch)
    for member, found in enumerate(together):
        assert found.keys() == GRAD_NAMES
        assert all(-1 <= value <= 1 for value in found.values())
        own = take_members(batch, [member])
        alone = build_objective(
            [read_settings(kind=kind)], replace(context_for(own), seeds=(member,))
        )
        assert measure(alone, own) == [found]


@pytest.mark.parametrize("kind", ["infonce", "siglip", "dynamic_svr"])
def test_the_length_of_projections_is_irrelevant(kind: str) -> None:
    objective = bind(kind=kind)
    longer = replace(BATCH, views_MND=BATCH.views_MND * 37.0)
    for ours, theirs in zip(measure(objective, longer), measure(objective), strict=True):
        assert ours == pytest.approx(theirs)


@pytest.mark.parametrize("kind", ["vicreg", "barlow_twins"])
def test_objectives_on_raw_projections_have_raw_projections_as_leaves(kind: str) -> None:
    objective = bind(kind=kind)
    leaf = BATCH.views_MND.clone().requires_grad_()
    losses = objective({}, replace(BATCH, views_MND=leaf))
    (gradient,) = torch.autograd.grad(losses.sum(), leaf)
    x, y = (view[2] for view in BATCH.pair)
    update_x, update_y = (-gradient[2]).chunk(2)
    found = measure(objective)[2]
    assert found["drift_grad_text"] == pytest.approx(mean_cosine(update_x, y))
    assert found["drift_grad_audio"] == pytest.approx(mean_cosine(update_y, x))


def test_a_radius_raises_the_ambient_cosine_and_lowers_the_tangent_one_of_close_pairs() -> None:
    # Pins a measured fact, not a theorem: what an anchor is spared across the pull, its partner
    # takes (test_pair_radius), and on the sphere that is most of what moves.
    batch = random_batch(24, 64)
    x_MBD, y_MBD = batch.pair
    batch = replace(batch, views_MND=torch.cat([x_MBD, x_MBD + 0.3 * (y_MBD - x_MBD)], dim=1))
    common = {"kind": "static_svr", "radius_mode": "fixed", "temperature": 0.07}
    control, svr = (measure(bind(batch, radius=r, **common), batch) for r in (0.0, 0.3))
    for without, with_radius in zip(control, svr, strict=True):
        rise = {name: with_radius[name] - without[name] for name in GRAD_NAMES}
        assert 0.0 < min(rise["drift_grad_text"], rise["drift_grad_audio"]) < 0.05
        assert max(rise["drift_grad_tangent_text"], rise["drift_grad_tangent_audio"]) < -0.03


def test_radius_zero_has_the_drift_of_its_base() -> None:
    control = bind(kind="static_svr", radius_mode="fixed", radius=0.0, temperature=TAU, alpha=1.0)
    base = bind(kind="infonce", temperature=TAU)
    for ours, theirs in zip(measure(control), measure(base), strict=True):
        assert ours == pytest.approx(theirs, rel=1e-9)


@pytest.mark.parametrize("poison", [math.nan, math.inf])
def test_a_diverged_member_is_left_out_and_its_neighbours_are_not(poison: float) -> None:
    views_MND = BATCH.views_MND.clone()
    views_MND[1, 0, 0] = poison
    objective = bind(kind="static_svr")
    found = measure(objective, replace(BATCH, views_MND=views_MND))
    assert found[1] == {}
    whole = measure(objective)
    assert (found[0], found[2]) == (whole[0], whole[2])
    steps = drift_step_measures(views_MND, BATCH.views_MND + 0.1)
    assert [bool(step) for step in steps] == [True, False, True]


def test_a_parameter_that_is_not_finite_leaves_its_member_out_too() -> None:
    objective = bind(kind="siglip")
    parameters = objective.init_parameters()
    parameters["bias"][0] = math.nan
    found = drift_grad_measures(objective, parameters, BATCH)
    assert [member.keys() == GRAD_NAMES for member in found] == [False, True, True]


def test_nothing_that_is_trained_is_touched() -> None:
    objective = bind(kind="dynamic_svr")
    parameters = objective.init_parameters()
    before = {name: value.clone() for name, value in parameters.items()}
    views_MND = BATCH.views_MND.clone().requires_grad_()
    with torch.no_grad():
        drift_grad_measures(objective, parameters, replace(BATCH, views_MND=views_MND))
    assert views_MND.grad is None
    assert all(torch.equal(before[name], value) for name, value in parameters.items())
    assert not any(value.requires_grad for value in parameters.values())


def test_a_probe_batch_of_another_size_is_refused_by_the_predictors() -> None:
    objective = bind(kind="dynamic_svr")
    with pytest.raises(PredictorWidthError, match=r"takes 5 similarities but the batch has 7"):
        measure(objective, random_batch(7, 4))


def test_steps_are_measured_between_unit_rows() -> None:
    x, y = unit_pair(BATCH, 0)
    nearer = normalize(x + 1e-3 * (y - x), dim=-1), normalize(y - 1e-3 * (x - y), dim=-1)
    before = torch.cat([3.0 * x, 0.2 * y])[None]
    (found,) = drift_step_measures(before, torch.cat(nearer)[None])
    expected_x = mean_cosine(nearer[0] - x, y - x)
    expected_y = mean_cosine(nearer[1] - y, x - y)
    assert found == {
        "drift_step_text": pytest.approx(expected_x, abs=1e-9),
        "drift_step_audio": pytest.approx(expected_y, abs=1e-9),
    }
    assert expected_x > 0 > expected_y
    (longer,) = drift_step_measures(before, 2.0 * before)
    assert longer == pytest.approx({"drift_step_text": 0.0, "drift_step_audio": 0.0}, abs=1e-12)
