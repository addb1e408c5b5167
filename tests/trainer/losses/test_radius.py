"""Radius: predictor against a module, what it sees, what it learns from, and its penalty."""

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from tests.trainer.losses.references import dot, unit_rows
from trainer.losses.radius import (
    Predictor,
    PredictorWidthError,
    init_predictor,
    partner_first,
    predict_radius,
    radius_penalty,
)
from trainer.losses.svr import infonce_svr


def seeded_predictor(batch: int, seed: int = 0) -> Predictor:
    predictor = init_predictor(batch, torch.Generator().manual_seed(seed))
    return Predictor(*(p.double() for p in predictor))


def test_predictor_is_a_three_layer_relu_network_on_partner_first_similarities() -> None:
    x, y = unit_rows(5, 3, seed=1), unit_rows(5, 3, seed=2)
    p = seeded_predictor(5)
    network = torch.nn.Sequential(
        torch.nn.Linear(5, 128), torch.nn.ReLU(), torch.nn.Linear(128, 128), torch.nn.ReLU()
    ).double()
    last = torch.nn.Linear(128, 1).double()
    with torch.no_grad():
        for layer, weight, bias in (
            (network[0], p.weight_1, p.bias_1),
            (network[2], p.weight_2, p.bias_2),
            (last, p.weight_3, p.bias_3),
        ):
            layer.weight.copy_(weight)  # type: ignore[operator]
            layer.bias.copy_(bias)  # type: ignore[operator]
    for i in range(5):
        order = [i] + [j for j in range(5) if j != i]
        similarities = torch.tensor([dot(x[i], y[j]) / 0.1 for j in order], dtype=torch.float64)
        expected = last(network(similarities))[0]
        assert_close(predict_radius(x, y, 0.1, p)[i], expected)


def test_radius_starts_near_one_half() -> None:
    x, y = unit_rows(24, 8, seed=1), unit_rows(24, 8, seed=2)
    radius = predict_radius(x, y, 0.07, seeded_predictor(24))
    assert (radius - 0.5).abs().max() < 0.05
    assert radius.std() > 0  # but anchors differ: it is a prediction, not a constant


def test_partner_first_keeps_the_order_of_the_negatives() -> None:
    table = torch.arange(9.0).reshape(3, 3)
    assert partner_first(table).tolist() == [[0, 1, 2], [4, 3, 5], [8, 6, 7]]


def test_members_have_their_own_predictors() -> None:
    x, y = unit_rows(2, 4, 3, seed=3), unit_rows(2, 4, 3, seed=4)
    both = [seeded_predictor(4, seed=s) for s in (1, 2)]
    stacked = Predictor(*(torch.stack(pair) for pair in zip(*both, strict=True)))
    tau = torch.tensor([0.1, 0.2], dtype=torch.float64)
    alone = [predict_radius(x[m], y[m], float(tau[m]), both[m]) for m in (0, 1)]
    assert_close(predict_radius(x, y, tau, stacked), torch.stack(alone))


def test_loss_trains_the_predictor_while_embeddings_do_not_steer_it() -> None:
    x, y = unit_rows(6, 4, seed=5).requires_grad_(), unit_rows(6, 4, seed=6)
    predictor = Predictor(*(p.requires_grad_() for p in seeded_predictor(6)))
    radius = predict_radius(x, y, 0.1, predictor)
    steered = torch.autograd.grad(radius.sum(), x, allow_unused=True, retain_graph=True)
    assert steered[0] is None
    loss = infonce_svr(x, y, 0.1, 1.0, radius)
    gradients = torch.autograd.grad(loss, predictor)
    assert all(g.isfinite().all() and g.any() for g in gradients)


def test_a_predictor_for_another_batch_size_is_refused() -> None:
    x = unit_rows(5, 3, seed=1)
    with pytest.raises(PredictorWidthError, match="takes 8 similarities but the batch has 5"):
        predict_radius(x, x, 0.1, seeded_predictor(8))


def test_penalty_is_zero_exactly_between_zero_and_the_distance() -> None:
    x, y = unit_rows(4, 3, seed=7), unit_rows(4, 3, seed=8)
    distance = (x - y).norm(dim=-1)
    for share in (0.0, 0.5, 1.0):
        assert radius_penalty(x, y, share * distance).item() == 0.0
    assert_close(radius_penalty(x, y, distance + 0.3), torch.tensor(0.3, dtype=torch.float64))
    assert_close(radius_penalty(x, y, -0.2 - 0 * distance), torch.tensor(0.2, dtype=torch.float64))


def test_penalty_moves_the_radius_and_never_the_embeddings() -> None:
    x, y = unit_rows(4, 3, seed=7).requires_grad_(), unit_rows(4, 3, seed=8)
    radius = torch.tensor([3.0, 3.0, -1.0, 0.01], dtype=torch.float64, requires_grad=True)
    by_radius, by_x = torch.autograd.grad(
        radius_penalty(x, y, radius), (radius, x), allow_unused=True
    )
    assert by_radius.tolist() == [0.25, 0.25, -0.25, 0.0]
    assert by_x is None


def test_penalty_is_one_number_per_member() -> None:
    x, y = unit_rows(3, 4, 2, seed=9), unit_rows(3, 4, 2, seed=10)
    radius: Tensor = torch.tensor([[5.0], [-1.0], [0.0]], dtype=torch.float64)
    alone = torch.stack([radius_penalty(x[m], y[m], radius[m]) for m in range(3)])
    assert_close(radius_penalty(x, y, radius), alone)
