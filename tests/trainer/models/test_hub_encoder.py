"""ResNet and ViT members are transformers' own modules: same weights, same numbers.

Shape legend: M = members, N = images, F = flat pixels or features.
"""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close
from transformers import ResNetConfig, ResNetModel, ViTConfig, ViTForImageClassification, ViTModel

from tests.trainer.cohorts import make_cohort, make_member, train_by_trial
from trainer.errors import ModelSettingsError
from trainer.models.blocks import checkpointed_blocks
from trainer.models.build import build_model
from trainer.models.module_model import ModuleModel
from trainer.settings import ModelSettings, TrainSettings

SHAPE = (1, 8, 8)
SIZES = {"resnet": [8, 16], "vit": [16, 16]}
every_encoder = pytest.mark.parametrize("encoder", ["resnet", "vit"])


def settings_of(encoder: str, **more: object) -> ModelSettings:
    given = {"encoder": encoder, "hidden": SIZES[encoder], "embed_dim": 6}
    return ModelSettings.model_validate(given | more)


def build(encoder: str) -> ModuleModel:
    model = build_model(settings_of(encoder), SHAPE)
    assert isinstance(model, ModuleModel)
    return model


def images(members: int, samples: int = 5) -> Tensor:
    generator = torch.Generator().manual_seed(3)
    return torch.randn(members, samples, 64, generator=generator, dtype=torch.float64)


def doubled(running: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: rows.double() for name, rows in running.items()}


def floats(model: ModuleModel, members: int) -> dict[str, Tensor]:
    return {name: rows.float() for name, rows in model.init_running(members).items()}


def own_module(model: ModuleModel, parameters: dict[str, Tensor], m: int) -> nn.Module:
    """Return a module of its own with one member's weights, loaded the way torch loads them."""
    module = model.draw_encoder()
    state = {n.removeprefix("encoder."): p[m] for n, p in parameters.items() if "encoder." in n}
    missing, unexpected = module.load_state_dict(state, strict=False)
    assert all("num_batches" in name for name in unexpected), "torch makes them up"
    assert all("running" in name for name in missing)
    return module


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


def save_vit(folder: Path, **config: Any) -> ViTModel:
    torch.manual_seed(5)
    sizes = {
        "hidden_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 32,
        "image_size": 12,
        "patch_size": 4,
        "hidden_dropout_prob": 0.5,
    }
    network = ViTModel(ViTConfig(**sizes | config), add_pooling_layer=False)
    network.save_pretrained(folder)
    return network


def from_folder(encoder: str, folder: Path) -> ModuleModel:
    settings = ModelSettings.model_validate(
        {"encoder": encoder, "weights": str(folder), "embed_dim": 6}
    )
    model = build_model(settings, SHAPE)
    assert isinstance(model, ModuleModel)
    return model


def test_every_replicate_starts_from_the_weights_of_a_folder_with_a_head_of_its_own(
    tmp_path: Path,
) -> None:
    network = save_vit(tmp_path)
    network.train(False)
    model = from_folder("vit", tmp_path)
    parameters = model.init_parameters([1, 2])
    assert torch.equal(parameters["encoder.network.layernorm.weight"][0], network.layernorm.weight)
    assert not torch.equal(parameters["head.0.weight"][0], parameters["head.0.weight"][1])
    inputs = images(2)
    features = model.encode(parameters, {}, inputs, training=True)
    resized = nn.functional.interpolate(
        inputs[0].view(-1, 1, 8, 8).expand(-1, 3, -1, -1), (12, 12), mode="bilinear", antialias=True
    )
    expected = network.double()(resized).last_hidden_state[:, 0]
    assert_close(features[0], expected)  # in training too: dropout is off


def test_a_resnet_of_a_folder_brings_its_running_statistics(tmp_path: Path) -> None:
    config = ResNetConfig(embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], layer_type="basic")
    network = ResNetModel(config)
    network(torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(0)))
    network.train(False)
    network.save_pretrained(tmp_path)
    model = from_folder("resnet", tmp_path)
    inputs = images(1)
    features = model.encode(
        model.init_parameters([0]), doubled(model.init_running(1)), inputs, training=False
    )
    pixels = inputs[0].view(-1, 1, 8, 8).expand(-1, 3, -1, -1)
    assert_close(features[0], network.double()(pixels).pooler_output.flatten(1))


def test_the_encoder_of_a_classifier_is_loaded_without_a_word(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    config = ViTConfig(
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        image_size=8,
        patch_size=4,
    )
    classifier = ViTForImageClassification(config)
    classifier.save_pretrained(tmp_path)
    capfd.readouterr()
    drawn = from_folder("vit", tmp_path).init_parameters([0])
    assert capfd.readouterr() == ("", "")
    assert torch.equal(
        drawn["encoder.network.layernorm.weight"][0], classifier.vit.layernorm.weight
    )


def test_weights_of_half_a_network_are_refused(tmp_path: Path) -> None:
    save_vit(tmp_path)
    text = (tmp_path / "config.json").read_text()
    assert '"num_hidden_layers": 1' in text
    (tmp_path / "config.json").write_text(text.replace('_layers": 1', '_layers": 2'))
    with pytest.raises(ModelSettingsError, match=r"weights of a whole ViTModel.*save it again"):
        from_folder("vit", tmp_path)


def test_a_broken_file_of_weights_is_refused(tmp_path: Path) -> None:
    save_vit(tmp_path)
    file = tmp_path / "model.safetensors"
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(ModelSettingsError, match=f"safetensors in {tmp_path} cannot be loaded"):
        from_folder("vit", tmp_path)
