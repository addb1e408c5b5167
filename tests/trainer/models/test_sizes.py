"""What makes no model is refused by field, before anything is loaded."""

import json
from pathlib import Path

import pytest

from trainer.errors import ModelSettingsError
from trainer.models.sizes import ViTSizes, check_model
from trainer.settings import ModelSettings

GREY = (1, 8, 8)


def settings(**given: object) -> ModelSettings:
    return ModelSettings.model_validate({"encoder": "mlp"} | given)


def fake_folder(folder: Path, **config: object) -> str:
    """Return a folder whose config reads; its weights are never opened here."""
    (folder / "config.json").write_text(json.dumps({"model_type": "vit"} | config))
    (folder / "model.safetensors").touch()
    return str(folder)


@pytest.mark.parametrize(
    ("encoder", "hidden"),
    [
        ("mlp", (128, 128)),
        ("conv", (32, 64, 128)),
        ("resnet", (16, 32, 64)),
        ("resnet18", ()),
        ("resnet50", ()),
        ("vit", (64, 64)),
    ],
)
def test_every_encoder_has_sizes_of_its_own_by_default(
    encoder: str, hidden: tuple[int, ...]
) -> None:
    own = settings(encoder=encoder)
    assert own.hidden == hidden
    check_model(own, GREY)
    assert ModelSettings.model_validate_json(own.model_dump_json()) == own


@pytest.mark.parametrize(("size", "patch"), [(8, 2), (16, 2), (28, 4), (32, 4), (64, 4), (224, 16)])
def test_patches_cover_the_image(size: int, patch: int) -> None:
    assert ViTSizes.of((64, 64), (3, size, size)).patch == patch


@pytest.mark.parametrize(("width", "heads"), [(16, 1), (64, 4), (192, 12), (768, 12)])
def test_heads_share_the_width(width: int, heads: int) -> None:
    assert ViTSizes.of((width,), GREY).heads == heads


@pytest.mark.parametrize(
    ("given", "field", "reason"),
    [
        ({"hidden": []}, "hidden", "at least 1, got an empty list"),
        ({"weights": "/x"}, "weights", "only resnet and vit"),
        ({"encoder": "resnet", "norm": "none"}, "norm", "expected batch or group with encoder: re"),
        ({"encoder": "resnet50", "norm": "layer"}, "norm", "got layer; leave it out"),
        ({"encoder": "vit", "norm": "group"}, "norm", "expected none with encoder: vit"),
        ({"encoder": "resnet50", "hidden": [8]}, "hidden", "scale them with width"),
        ({"encoder": "resnet18", "weights": "/x"}, "weights", "only resnet and vit are loaded"),
        ({"encoder": "conv", "width": 0.5}, "width", "for conv give hidden"),
        ({"encoder": "conv", "stem": "3x3"}, "stem", "only a resnet drawn here"),
        ({"encoder": "resnet", "weights": "/", "stem": "3x3"}, "stem", "leave it out"),
        ({"encoder": "resnet", "weights": "/", "norm": "group"}, "norm", "weights were trained"),
        ({"encoder": "vit", "hidden": [16, 32]}, "hidden", r"one width.*got \[16, 32\]"),
        ({"encoder": "vit", "hidden": [10]}, "hidden", "a multiple of 16"),
        ({"encoder": "vit", "weights": "google/vit-base"}, "weights", "'google/vit-base'; nothing"),
        ({"encoder": "vit", "weights": "/no/such"}, "weights", "hf download NAME"),
        ({"encoder": "vit", "weights": "/", "hidden": [16]}, "hidden", "leave hidden or weights"),
    ],
)
def test_what_makes_no_model_is_refused_by_field(
    given: dict[str, object], field: str, reason: str
) -> None:
    with pytest.raises(ModelSettingsError, match=reason) as refusal:
        check_model(settings(**given), GREY)
    assert refusal.value.field == field


@pytest.mark.parametrize("shape", [(1, 8, 10), (1, 9, 9)])
def test_a_vit_needs_images_that_patches_cover(shape: tuple[int, int, int]) -> None:
    with pytest.raises(ModelSettingsError, match="choose mlp or resnet"):
        check_model(settings(encoder="vit"), shape)


def test_a_folder_with_pickled_weights_only_is_refused(tmp_path: Path) -> None:
    folder = fake_folder(tmp_path)
    (tmp_path / "model.safetensors").rename(tmp_path / "pytorch_model.bin")
    with pytest.raises(ModelSettingsError, match="pickled weights"):
        check_model(settings(encoder="vit", weights=folder), GREY)


def test_a_folder_of_another_network_is_refused(tmp_path: Path) -> None:
    folder = fake_folder(tmp_path)
    check_model(settings(encoder="vit", weights=folder), GREY)
    with pytest.raises(ModelSettingsError, match=r"expected a resnet in .* got model_type 'vit'"):
        check_model(settings(encoder="resnet", weights=folder), GREY)


def test_a_folder_for_images_of_other_channels_is_refused(tmp_path: Path) -> None:
    folder = fake_folder(tmp_path, num_channels=1)
    with pytest.raises(ModelSettingsError, match="images of 3 channels"):
        check_model(settings(encoder="vit", weights=folder), (3, 8, 8))


@pytest.mark.parametrize("config", ["", "[", "{"])
def test_a_folder_without_a_readable_config_is_refused(tmp_path: Path, config: str) -> None:
    folder = fake_folder(tmp_path)
    (tmp_path / "config.json").write_text(config)
    with pytest.raises(ModelSettingsError, match=r"a readable config.json"):
        check_model(settings(encoder="vit", weights=folder), GREY)
