"""Encoders from a local folder of safetensors: weights, statistics, refusals."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.testing import assert_close
from transformers import ResNetConfig, ResNetModel, ViTConfig, ViTForImageClassification, ViTModel

from tests.trainer.models.hub_models import SHAPE, doubled, images
from trainer.errors import ModelSettingsError
from trainer.models.build import build_model
from trainer.models.module_model import ModuleModel
from trainer.settings import ModelSettings


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
