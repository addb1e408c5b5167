"""ResNet and ViT members are transformers' own modules: same weights, same numbers.

Shape legend: M = members, N = images, F = flat pixels or features.
"""

from typing import Any

import pytest
import torch
from torch import nn
from torch.testing import assert_close
from transformers import ResNetConfig, ResNetModel, ViTConfig, ViTModel

from tests.trainer.cohorts import make_cohort, make_member, train_by_trial
from tests.trainer.models.hub_models import (
    SHAPE,
    build,
    doubled,
    every_encoder,
    floats,
    images,
    own_module,
    settings_of,
)
from trainer.models.blocks import checkpointed_blocks
from trainer.models.build import build_model
from trainer.settings import TrainSettings


@every_encoder
@pytest.mark.parametrize("training", [True, False])
def test_features_gradients_and_statistics_are_those_of_the_module_itself(
    encoder: str, training: bool
) -> None:
    model = build(encoder)
    parameters = model.init_parameters([1, 2, 1])
    running = doubled(model.init_running(3))
    leaves = {n: p.requires_grad_() for n, p in parameters.items() if "encoder." in n}
    inputs = images(3)
    features = model.encode(parameters, running, inputs, training=training)
    gradients = torch.autograd.grad(features.square().sum(), list(leaves.values()))
    for m in range(3):
        module = own_module(model, parameters, m).train(training)
        expected = module(inputs[m].view(-1, *SHAPE))
        assert_close(features[m], expected)
        own = torch.autograd.grad(expected.square().sum(), list(module.parameters()))
        names = [f"encoder.{name}" for name, _ in module.named_parameters()]
        by_name = dict(zip(leaves, gradients, strict=True))
        for name, gradient in zip(names, own, strict=True):
            assert_close(by_name[name][m], gradient)
        for name, buffer in module.named_buffers():
            assert_close(running[f"encoder.{name}"][m], buffer)


def test_training_moves_the_statistics_as_a_single_batch_norm_does() -> None:
    model = build("resnet")
    parameters, running = model.init_parameters([1]), doubled(model.init_running(1))
    name = "encoder.network.embedder.embedder"
    convolution = nn.Conv2d(1, 8, 3, padding=1, bias=False, dtype=torch.float64)
    convolution.weight = nn.Parameter(parameters[f"{name}.convolution.weight"][0])
    norm = nn.BatchNorm2d(8, dtype=torch.float64)
    for _ in range(3):
        model.encode(parameters, running, images(1), training=True)
        norm(convolution(images(1)[0].view(-1, *SHAPE)))
    assert norm.running_mean is not None
    assert norm.running_var is not None
    assert_close(running[f"{name}.normalization.running_mean"][0], norm.running_mean)
    assert_close(running[f"{name}.normalization.running_var"][0], norm.running_var)
    before = {n: r.clone() for n, r in running.items()}
    model.encode(parameters, running, images(1), training=False)
    assert all(torch.equal(r, before[n]) for n, r in running.items())
    assert all(r.is_floating_point() for r in running.values()), "counters would be cast"


@pytest.mark.parametrize(
    ("encoder", "reference"),
    [
        (
            "vit",
            lambda: ViTModel(
                ViTConfig(
                    hidden_size=16,
                    num_hidden_layers=2,
                    num_attention_heads=1,
                    intermediate_size=64,
                    image_size=8,
                    patch_size=2,
                    num_channels=1,
                ),
                add_pooling_layer=False,
            ),
        ),
        (
            "resnet",
            lambda: ResNetModel(
                ResNetConfig(
                    num_channels=1,
                    embedding_size=8,
                    hidden_sizes=[8, 16],
                    depths=[2, 2],
                    layer_type="basic",
                )
            ),
        ),
    ],
    ids=["vit", "resnet"],
)
def test_the_networks_are_the_librarys_at_the_sizes_asked_for(encoder: str, reference: Any) -> None:
    ours = build(encoder).template.get_submodule("network").state_dict()
    theirs = reference().state_dict()
    stem = "embedder.embedder.convolution.weight"  # 3 x 3 on small images
    shapes = {n: tuple(t.shape) for n, t in theirs.items() if "num_batches" not in n}
    if encoder == "resnet":
        assert shapes.pop(stem) == (8, 1, 7, 7)
        assert ours.pop(stem).shape == (8, 1, 3, 3)
    assert {n: tuple(t.shape) for n, t in ours.items()} == shapes


def test_large_images_keep_the_stem_of_the_paper() -> None:
    model = build_model(settings_of("resnet"), (3, 96, 96))
    weight = model.init_parameters([0])["encoder.network.embedder.embedder.convolution.weight"]
    assert weight.shape == (1, 8, 3, 7, 7)


@every_encoder
def test_weights_depend_on_the_seed_alone(encoder: str) -> None:
    torch.manual_seed(0)
    state = torch.get_rng_state()
    first = build(encoder).init_parameters([4, 9, 4])
    assert torch.equal(torch.get_rng_state(), state), "the global generator is given back"
    torch.manual_seed(77)
    alone = build(encoder).init_parameters([9])
    drawn = 0
    for name, rows in first.items():
        assert rows.dtype == torch.float64
        assert torch.equal(rows[0], rows[2])
        assert torch.equal(rows[1], alone[name][0])
        drawn += not torch.equal(rows[0], rows[1])
    assert drawn >= 5


@every_encoder
def test_a_member_has_the_same_bits_wherever_its_rows_lie(encoder: str) -> None:
    model = build(encoder)
    together = {n: p.float() for n, p in model.init_parameters([1, 2, 3]).items()}
    alone = {n: p[2:].clone() for n, p in together.items()}
    inputs = images(3).float()
    for training in (True, False):
        stacked = model.encode(together, floats(model, 3), inputs, training=training)
        single = model.encode(alone, floats(model, 1), inputs[2:], training=training)
        assert torch.equal(stacked[2], single[0])


@every_encoder
def test_checkpointed_activations_change_neither_gradients_nor_statistics(encoder: str) -> None:
    model = build(encoder)
    results = []
    for enabled in (False, True):
        parameters, running = model.init_parameters([1, 2]), doubled(model.init_running(2))
        leaves = [p.requires_grad_() for n, p in parameters.items() if "encoder." in n]
        with checkpointed_blocks(enabled=enabled):
            features = model.encode(parameters, running, images(2), training=True)
        gradients = torch.autograd.grad(features.square().sum(), leaves)
        results.append([features, *gradients, *running.values()])
    for plain, checkpointed in zip(*results, strict=True):
        assert torch.equal(plain, checkpointed)


@every_encoder
def test_a_cohort_is_trained_and_a_member_alone_has_the_same_outcome(encoder: str) -> None:
    members = [
        make_member("a", lr=3e-4, seed=1, kind="infonce"),
        make_member("b", lr=3e-4, seed=2, kind="infonce"),
        make_member("c", lr=3e-4, seed=1, kind="supcon"),
    ]
    hidden = [32, 32] if encoder == "vit" else [8, 16]
    model = settings_of(encoder, hidden=hidden, embed_dim=16)
    train = TrainSettings(batch_size=64, steps=40, optimizer="adam")
    outcomes = train_by_trial(make_cohort(members, model=model, train=train))
    alone = train_by_trial(make_cohort(members[1:2], model=model, train=train))
    assert alone["b"] == outcomes["b"]
    for outcome in outcomes.values():
        assert outcome.measures["train_loss"] < outcome.initial["train_loss"]
        assert outcome.measures["effective_rank"] > 1.0
    assert outcomes["a"].measures != outcomes["b"].measures
