"""The stacked MLP: its draw, its layout, its running statistics, and widths of any size."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.testing import assert_close

from trainer.models.layers import linear
from trainer.models.mlp import StackedMlp
from trainer.settings import ModelSettings, Norm

WIDE = ModelSettings(encoder="mlp", hidden=(300, 200), head_hidden=(100,), embed_dim=50)


def with_norm(norm: str) -> StackedMlp:
    settings = {"encoder": "mlp", "hidden": [6, 5], "head_hidden": [4], "embed_dim": 3}
    return StackedMlp.of(ModelSettings.model_validate(settings | {"norm": norm}), 7)


def test_layers_chain_from_the_input_to_the_embedding() -> None:
    model = StackedMlp.of(WIDE, 64)
    layers = [*model.encoder.layers, *model.head.layers]
    assert [layer.fan_in for layer in layers] == [64, 300, 200, 100]
    assert [layer.fan_out for layer in layers] == [300, 200, 100, 50]
    assert [layer.is_hidden for layer in layers] == [True, True, True, False]
    assert len({layer.name for layer in layers}) == 4


def test_weights_are_drawn_as_torch_draws_those_of_a_linear_layer() -> None:
    torch.manual_seed(0)
    drawn = StackedMlp.of(WIDE, 64).init_parameters([5])
    for name, fan_in, fan_out in [("encoder.0", 64, 300), ("encoder.1", 300, 200)]:
        theirs = torch.nn.Linear(fan_in, fan_out)
        for ours, plain in [
            (drawn[f"{name}.weight"], theirs.weight),
            (drawn[f"{name}.bias"], theirs.bias),
        ]:
            assert ours.numel() == plain.numel()
            assert ours.abs().max().item() <= 1 / math.sqrt(fan_in)
            assert ours.std().item() == pytest.approx(plain.std().item(), rel=0.1)


def test_each_member_is_drawn_by_its_seed_alone() -> None:
    model = with_norm("batch")
    drawn = model.init_parameters([4, 9, 4])
    alone = model.init_parameters([9])
    for name, rows in drawn.items():
        assert rows.dtype == torch.float64
        assert torch.equal(rows[0], rows[2])
        assert torch.equal(rows[1], alone[name][0])
    assert not torch.equal(drawn["encoder.0.weight"][0], drawn["encoder.0.weight"][1])


def test_layers_do_not_share_their_draw() -> None:
    drawn = StackedMlp.of(
        ModelSettings(encoder="mlp", hidden=(8, 8, 8), embed_dim=8), 8
    ).init_parameters([0])
    weights = [rows for name, rows in drawn.items() if name.endswith("weight")]
    assert len({tuple(w.flatten().tolist()) for w in weights}) == len(weights) == 4


@pytest.mark.parametrize("norm", ["none", "layer", "batch"])
def test_only_normed_layers_have_gains_and_only_batch_norm_has_statistics(norm: str) -> None:
    model = with_norm(norm)
    drawn, running = model.init_parameters([1, 2]), model.init_running(2)
    hidden = ["encoder.0", "encoder.1", "head.0"]
    gains = [n.removesuffix(".gain") for n in drawn if n.endswith(".gain")]
    assert gains == ([] if norm == "none" else hidden)
    assert sorted(running) == sorted(
        f"{n}.{part}" for n in hidden for part in ("mean", "var") if norm == "batch"
    )
    assert all(len(rows) == 2 for rows in running.values())


def test_evaluation_leaves_the_running_statistics_alone_and_training_moves_them() -> None:
    model = with_norm("batch")
    parameters = {n: p.float() for n, p in model.init_parameters([1]).items()}
    running = model.init_running(1)
    inputs = torch.randn(1, 20, 7, generator=torch.Generator().manual_seed(0))
    features = model.encode(parameters, running, inputs, training=False)
    assert all(torch.equal(r, model.init_running(1)[name]) for name, r in running.items())
    alone = model.encode(parameters, running, inputs[:, :1], training=False)
    assert_close(alone, features[:, :1])
    model.project(parameters, running, features, training=True)
    moved = {n for n, r in running.items() if not torch.equal(r, model.init_running(1)[n])}
    assert moved == {"head.0.mean", "head.0.var"}


@settings(max_examples=40, deadline=None)
@given(
    members=st.integers(1, 4),
    samples=st.integers(1, 40),
    fan_in=st.integers(1, 40),
    fan_out=st.integers(1, 40),
    seed=st.integers(0, 2**16),
)
def test_a_linear_layer_of_any_width_is_exact_and_blind_to_its_neighbours(
    members: int, samples: int, fan_in: int, fan_out: int, seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    shapes = (members, samples, fan_in), (members, fan_in, fan_out), (members, 1, fan_out)
    leaves = [torch.randn(shape, generator=generator).requires_grad_() for shape in shapes]
    out = linear(*leaves)
    pushed = torch.randn(out.shape, generator=generator)
    gradients = torch.autograd.grad(out, leaves, pushed)

    exact = [leaf.detach().double().requires_grad_() for leaf in leaves]
    expected = exact[0] @ exact[1] + exact[2]
    expected_gradients = torch.autograd.grad(expected, exact, pushed.double())
    assert_close(out.double(), expected, rtol=1e-4, atol=1e-4)
    for mine, theirs in zip(gradients, expected_gradients, strict=True):
        assert_close(mine.double(), theirs, rtol=1e-4, atol=1e-4)

    last = [leaf.detach()[-1:].clone().requires_grad_() for leaf in leaves]
    alone = linear(*last)
    assert torch.equal(alone[0], out[-1])
    for mine, theirs in zip(torch.autograd.grad(alone, last, pushed[-1:]), gradients, strict=True):
        assert torch.equal(mine[0], theirs[-1])


def test_a_mixed_stack_holds_the_tensors_of_its_widest_norm_and_each_member_uses_its_own() -> None:
    plain = with_norm("none")
    settings = ModelSettings(encoder="mlp", hidden=(6, 5), head_hidden=(4,), embed_dim=3)
    norms: tuple[Norm, ...] = ("none", "layer", "layer", "batch")
    mixed = StackedMlp.of(settings, 7, norms)
    drawn = {n: p.float() for n, p in mixed.init_parameters([1] * 4).items()}
    running = mixed.init_running(4)
    assert "encoder.0.gain" in drawn
    assert "encoder.0.mean" in running
    inputs = torch.randn(1, 20, 7, generator=torch.Generator().manual_seed(0))
    out = mixed.encode(drawn, running, inputs.expand(4, -1, -1), training=True)
    for m, norm in enumerate(norms):
        own = with_norm(norm)
        parameters = {n: p.float() for n, p in own.init_parameters([1]).items()}
        alone = own.encode(parameters, own.init_running(1), inputs, training=True)
        assert torch.equal(alone[0], out[m])
    left = mixed.select([0])
    rows = {n: p[:1] for n, p in drawn.items()}
    assert torch.equal(
        left.encode(rows, {}, inputs, training=True),
        plain.encode(rows, {}, inputs, training=True),
    )
    assert left.init_parameters([1]).keys() == drawn.keys(), "a saved state still fits"
