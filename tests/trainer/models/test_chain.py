"""Chains differentiated by hand: each member's own torch.nn layers, the bits of a graph."""

from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.testing import assert_close

from tests.trainer.gradient_stacks import OneByOne
from trainer.models.chain import Chain
from trainer.models.mlp import StackedMlp
from trainer.models.protocol import Tensors
from trainer.settings import ModelSettings

widths = st.lists(st.integers(2, 35), min_size=3, max_size=5)


def lay_out(sizes: list[int]) -> StackedMlp:
    """Return an MLP: input, hidden widths (the last of them the head's if it has any), output."""
    width, first, *head_hidden, dim = sizes
    settings = ModelSettings(
        encoder="mlp", hidden=(first,), head_hidden=tuple(head_hidden), embed_dim=dim
    )
    return StackedMlp.of(settings, width)


def draw(model: StackedMlp, sizes: list[int], members: int, rows: int) -> tuple[Tensors, Tensor]:
    """Return float64 parameters and inputs."""
    generator = torch.Generator().manual_seed(rows)
    inputs = torch.randn(members, rows, sizes[0], generator=generator, dtype=torch.float64)
    return model.init_parameters(range(members)), inputs


def chain_of(model: StackedMlp) -> Chain:
    chain = Chain.of(model)
    assert chain is not None
    return chain


def pull_for(projections: Tensor) -> Tensor:
    return torch.linspace(-1, 1, projections.numel(), dtype=projections.dtype).view_as(projections)


def run_by_hand(model: StackedMlp, parameters: Tensors, inputs: Tensor) -> tuple[Tensor, Tensors]:
    chain = chain_of(model)
    projections, tape = chain.run(parameters, inputs)
    return projections, chain.pull_back(tape, pull_for(projections))


def run_in_a_graph(
    model: StackedMlp, parameters: Tensors, inputs: Tensor
) -> tuple[Tensor, Tensors]:
    leaves = {name: p.clone().requires_grad_() for name, p in parameters.items()}
    features = model.encode(leaves, {}, inputs, training=True)
    projections = model.project(leaves, {}, features, training=True)
    found = torch.autograd.grad(projections, list(leaves.values()), pull_for(projections))
    return projections.detach(), dict(zip(leaves, found, strict=True))


@settings(max_examples=25, deadline=None)
@given(sizes=widths, members=st.integers(1, 3), rows=st.integers(1, 20))
def test_a_member_is_differentiated_as_its_own_torch_layers_are(
    sizes: list[int], members: int, rows: int
) -> None:
    model = lay_out(sizes)
    parameters, inputs = draw(model, sizes, members, rows)
    projections, gradients = run_by_hand(model, parameters, inputs)
    for m in range(members):
        layers = [nn.Linear(*pair, dtype=torch.float64) for pair in pairwise(sizes)]
        for layer, (weight, bias) in zip(layers, by_layer(parameters, m), strict=True):
            layer.weight, layer.bias = nn.Parameter(weight.mT), nn.Parameter(bias)
        out = inputs[m]
        for layer in layers[:-1]:
            out = layer(out).relu()
        out = layers[-1](out)
        out.backward(pull_for(projections)[m])
        assert_close(projections[m], out.detach())
        for layer, (weight, bias) in zip(layers, by_layer(gradients, m), strict=True):
            assert layer.weight.grad is not None
            assert layer.bias.grad is not None
            assert_close(weight, layer.weight.grad.mT)
            assert_close(bias, layer.bias.grad)


def by_layer(tensors: Tensors, member: int) -> list[tuple[Tensor, Tensor]]:
    """Return weight and bias of each layer, first to last."""
    names = [n.removesuffix(".weight") for n in sorted(tensors) if n.endswith(".weight")]
    return [(tensors[f"{n}.weight"][member], tensors[f"{n}.bias"][member, 0]) for n in names]


@pytest.mark.parametrize("sizes", [[16, 16, 8], [64, 48, 24, 8], [33, 17, 11], [7, 16, 5, 40]])
def test_it_has_the_bits_of_a_graph(sizes: list[int]) -> None:
    model = lay_out(sizes)
    parameters, inputs = draw(model, sizes, members=5, rows=32)
    parameters = {name: p.float() for name, p in parameters.items()}
    by_hand, in_graph = (
        run(model, parameters, inputs.float()) for run in (run_by_hand, run_in_a_graph)
    )
    assert torch.equal(by_hand[0], in_graph[0])
    assert by_hand[1].keys() == in_graph[1].keys()
    for name, gradient in in_graph[1].items():
        assert torch.equal(by_hand[1][name], gradient)


def test_nothing_is_recorded() -> None:
    model = lay_out([4, 6, 3])
    parameters, inputs = draw(model, [4, 6, 3], members=2, rows=5)
    leaves = {name: p.requires_grad_() for name, p in parameters.items()}
    projections, gradients = run_by_hand(model, leaves, inputs)
    assert not projections.requires_grad
    assert not any(gradient.requires_grad for gradient in gradients.values())


@pytest.mark.parametrize(
    "other", [{"norm": "layer"}, {"head_norm": "group"}, {"head_out_norm": "batch"}], ids=str
)
def test_models_with_a_norm_are_no_chain(other: dict[str, str]) -> None:
    fields = {"encoder": "mlp", "hidden": [6, 5], "head_hidden": [4], "embed_dim": 3, **other}
    assert Chain.of(StackedMlp.of(ModelSettings.model_validate(fields), 7)) is None


def test_a_chain_holds_for_the_members_of_no_norm_only() -> None:
    settings = ModelSettings(encoder="mlp", hidden=(6,), embed_dim=3)
    mixed = StackedMlp.of(settings, 7, ["none", "layer"])
    assert Chain.of(mixed) is None
    # Its tensors still hold gains, whose gradients a chain knows nothing of.
    assert Chain.of(mixed.select([0])) is None


def test_models_that_are_no_mlp_are_no_chain() -> None:
    mlp = lay_out([4, 6, 3])
    assert Chain.of(mlp) is not None
    assert Chain.of(OneByOne(mlp, 1)) is None


def test_large_members_are_left_to_the_graph() -> None:
    sizes = [64, 128, 8]
    model = lay_out(sizes)
    parameters = {n: p.float() for n, p in model.init_parameters([0]).items()}
    chain = chain_of(model)
    assert chain.suits(parameters, torch.zeros(1, 511, 64))
    assert not chain.suits(parameters, torch.zeros(1, 512, 64))
