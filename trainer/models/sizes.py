"""Which models can be built: checked from settings and folder alone, before anything is loaded."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, assert_never

from trainer.errors import ModelSettingsError
from trainer.settings import ModelSettings

SMALL_IMAGE = 64
"""Pixels: up to this size a ResNet has a 3 x 3 stem, and a ViT patches of at most 4."""

_TINY_IMAGE = 16
_HEAD_WIDTH = 16
_WIDE_HEAD_WIDTH = 64


@dataclass(frozen=True, slots=True)
class ViTSizes:
    """Sizes of a vision transformer: pixels a patch side, channels a token, attention heads."""

    patch: int
    width: int
    heads: int

    @classmethod
    def of(cls, hidden: tuple[int, ...], image_shape: tuple[int, int, int]) -> "ViTSizes":
        """Choose patch and heads: 2 pixels up to 16 x 16, 4 up to 64 x 64, 16 above.

        Heads have 64 channels where the width is a multiple of 256 (ViT-Base), 16 otherwise.

        Raises:
            ModelSettingsError: If the widths differ or suit no heads, or no patches fit.
        """
        _, height, width = image_shape
        patch = 2 if height <= _TINY_IMAGE else 4 if height <= SMALL_IMAGE else 16
        if height != width or height % patch:
            raise ModelSettingsError(
                "encoder",
                f"vit cuts square images into patches of {patch} x {patch} pixels, got images of "
                f"{height} x {width}; choose mlp or resnet",
            )
        channels = hidden[0]
        if len(set(hidden)) > 1 or channels % _HEAD_WIDTH:
            raise ModelSettingsError(
                "hidden",
                "expected one width for every layer of a vit, a multiple of "
                f"{_HEAD_WIDTH} such as [64, 64], got {list(hidden)}",
            )
        head = _WIDE_HEAD_WIDTH if channels % (4 * _WIDE_HEAD_WIDTH) == 0 else _HEAD_WIDTH
        return cls(patch, channels, channels // head)


def check_model(settings: ModelSettings, image_shape: tuple[int, int, int]) -> None:
    """Refuse settings that are valid one by one and make no model together.

    Args:
        image_shape: Channels, height and width of the images.

    Raises:
        ModelSettingsError: With the field, what was expected and got, and what to do next.
    """
    if settings.weights is None and not settings.hidden:
        raise ModelSettingsError("hidden", "expected a list of at least 1, got an empty list")
    match settings.encoder:
        case "mlp":
            if settings.weights is not None:
                raise ModelSettingsError(
                    "weights", "only resnet and vit are loaded from a folder; leave it out for mlp"
                )
        case "resnet" | "vit":
            _check_hub_model(settings, image_shape)
        case unreachable:
            assert_never(unreachable)


def _check_hub_model(settings: ModelSettings, image_shape: tuple[int, int, int]) -> None:
    encoder = settings.encoder
    if settings.norm != "none":
        raise ModelSettingsError(
            "norm",
            f"expected none with encoder: {encoder}, which has normalisation of its own, got "
            f"{settings.norm}; leave it out, or choose encoder: mlp",
        )
    if settings.weights is not None:
        _check_folder(settings, settings.weights, image_shape)
    elif encoder == "vit":
        ViTSizes.of(settings.hidden, image_shape)


def _check_folder(settings: ModelSettings, weights: str, image_shape: tuple[int, int, int]) -> None:
    if settings.hidden:
        raise ModelSettingsError(
            "hidden", f"the folder {weights} says the sizes; leave hidden or weights out"
        )
    folder = Path(weights)
    if not folder.is_absolute() or not folder.is_dir():
        raise ModelSettingsError(
            "weights",
            f"expected the absolute path of a folder on this machine, got {weights!r}; nothing is "
            "downloaded: get a model with 'hf download NAME --local-dir FOLDER' and give FOLDER",
        )
    config = _read_config(folder)
    if config.get("model_type") != settings.encoder:
        raise ModelSettingsError(
            "weights",
            f"expected a {settings.encoder} in {folder}, got model_type "
            f"{config.get('model_type')!r} in its config.json; choose another folder or encoder",
        )
    if config.get("num_channels", 3) != image_shape[0] != 1:
        raise ModelSettingsError(
            "weights",
            f"expected a network for images of {image_shape[0]} channels (grey ones suit any), got "
            f"one for {config.get('num_channels', 3)} in {folder}; choose another folder",
        )


def _read_config(folder: Path) -> dict[str, Any]:
    names = ("model.safetensors", "model.safetensors.index.json")
    if not any((folder / name).is_file() for name in names):
        raise ModelSettingsError(
            "weights",
            f"expected model.safetensors in {folder}, found none; pickled weights (.bin) are not "
            "loaded: save the model again with save_pretrained",
        )
    try:
        config = json.loads((folder / "config.json").read_text())
    except (OSError, ValueError) as error:
        raise ModelSettingsError(
            "weights", f"expected a readable config.json in {folder}: {error}"
        ) from error
    return config if isinstance(config, dict) else {}
