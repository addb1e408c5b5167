"""Group norm: sizes of groups, of maps and of vectors; heads with norms of their own."""

from typing import Literal

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.testing import assert_close

from trainer.models.build import build_model
from trainer.models.channel_norm import count_groups, replace_batch_norms
from trainer.models.layers import StackedLayers
from trainer.models.sizes import has_batch_norm
from trainer.settings import ModelSettings, Norm


@given(channels=st.integers(1, 4096))
def test_groups_are_equal_and_of_16_channels_at_least(channels: int) -> None:
    groups = count_groups(channels)
    assert channels % groups == 0
    assert groups == 1 or channels // groups >= 16
    if channels % 16 == 0:
        assert groups == channels // 16


def test_vectors_are_normalised_group_by_group() -> None:
    layers = StackedLayers.chain("x", (8, 32), ("group",), last_is_hidden=True)
    generator = torch.Generator().manual_seed(0)
    parameters = {n: p[None] for n, p in layers.draw(generator).items()}
    parameters["x.0.gain"] = torch.randn(1, 1, 32, generator=generator).double()
    inputs = torch.randn(1, 7, 8, generator=generator).double()
    norm = nn.GroupNorm(2, 32).double()
    norm.weight.data = parameters["x.0.gain"].flatten()
    plain = inputs[0] @ parameters["x.0.weight"][0] + parameters["x.0.bias"][0]
    assert_close(layers(parameters, {}, inputs, training=True)[0], norm(plain).relu())


def test_every_batch_norm_is_replaced_and_nothing_else() -> None:
    convolution, nested = nn.Conv2d(3, 32, 1), nn.Sequential(nn.BatchNorm2d(8))
    module = nn.Sequential(convolution, nn.BatchNorm2d(32), nested)
    replace_batch_norms(module.double(), "group")
    norms = [part for part in module.modules() if isinstance(part, nn.GroupNorm)]
    assert [(norm.num_groups, norm.num_channels) for norm in norms] == [(2, 32), (1, 8)]
    assert not any(isinstance(part, nn.BatchNorm2d) for part in module.modules())
    assert module[0] is convolution
    assert {p.dtype for p in module.parameters()} == {torch.float64}


def head(**given: object) -> ModelSettings:
    base = {"encoder": "mlp", "hidden": [16], "head_hidden": [16], "embed_dim": 8, "norm": "layer"}
    return ModelSettings.model_validate(base | given)


@pytest.mark.parametrize(
    ("head_norm", "out_norm", "running"),
    [
        (None, "none", set()),
        ("batch", "none", {"head.0.mean", "head.0.var"}),
        ("none", "batch", {"head.1.mean", "head.1.var"}),
    ],
)
def test_a_heads_norms_are_its_own(
    head_norm: Norm | None, out_norm: Literal["none", "batch"], running: set[str]
) -> None:
    settings = head(head_norm=head_norm, head_out_norm=out_norm)
    model = build_model(settings, (1, 8, 8))
    parameters = model.init_parameters([1])
    assert set(model.init_running(1)) == running
    assert has_batch_norm(settings) == bool(running)
    assert ("head.0.gain" in parameters) == (head_norm != "none")
    assert ("head.1.gain" in parameters) == (out_norm == "batch")
    assert "encoder.0.gain" in parameters


def test_a_batch_norm_at_the_end_centres_every_batch_and_keeps_signs() -> None:
    model = build_model(head(head_out_norm="batch"), (1, 8, 8))
    parameters = model.init_parameters([1])
    running = {name: rows.double() for name, rows in model.init_running(1).items()}
    features = torch.randn(1, 40, 16, generator=torch.Generator().manual_seed(0)).double()
    projections = model.project(parameters, running, features, training=True)
    assert_close(projections.mean(dim=1), torch.zeros(1, 8, dtype=torch.float64))
    assert (projections < 0).any(), "no ReLU after it"
    assert not torch.equal(running["head.1.mean"], torch.zeros(1, 1, 8, dtype=torch.float64))


def test_the_first_head_that_was_follows_the_encoders_norm() -> None:
    assert has_batch_norm(head(norm="batch"))
    assert not has_batch_norm(head(norm="batch", frozen=True, head_norm="none"))
    assert has_batch_norm(head(norm="batch", frozen=True))
