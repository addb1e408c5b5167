"""Which models can be built: checked from settings and folder alone, before anything is loaded."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, assert_never

from trainer.errors import ModelSettingsError
from trainer.models.weights_folder import read_config
from trainer.settings import ModelSettings

SMALL_IMAGE = 64
"""Pixels: up to this size a ResNet has a 3 x 3 stem, and a ViT patches of at most 4."""

_TINY_IMAGE = 16
_HEAD_WIDTH = 16
_WIDE_HEAD_WIDTH = 64


@dataclass(frozen=True, slots=True)
class ResNetSizes:
    """Sizes of a ResNet: of stem and stages in channels, stages in blocks.

    References:
        He et al. 2016, arXiv:1512.03385, table 1; section 4.2 for the stem of small images.
    """

    stem: Literal["3x3", "7x7"]
    stem_width: int
    widths: tuple[int, ...]
    blocks: tuple[int, ...]
    block: Literal["basic", "bottleneck"]

    @classmethod
    def of(cls, settings: ModelSettings, image_shape: tuple[int, int, int]) -> "ResNetSizes":
        """Return the sizes of an encoder without ``weights``."""
        stem = settings.stem or ("3x3" if max(image_shape[1:]) <= SMALL_IMAGE else "7x7")
        base = max(1, round(64 * (settings.width or 1.0)))
        match settings.encoder:
            case "resnet":
                widths = settings.hidden
                return cls(stem, widths[0], widths, (2,) * len(widths), "basic")
            case "resnet18":
                widths = tuple(base * factor for factor in (1, 2, 4, 8))
                return cls(stem, base, widths, (2, 2, 2, 2), "basic")
            case "resnet50":
                widths = tuple(4 * base * factor for factor in (1, 2, 4, 8))
                return cls(stem, base, widths, (3, 4, 6, 3), "bottleneck")
            case "mlp" | "conv" | "vit":
                raise AssertionError(f"{settings.encoder} is no ResNet")
            case unreachable:
                assert_never(unreachable)


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
    _check_fields(settings)
    match settings.encoder:
        case "mlp" | "resnet18" | "resnet50":
            pass
        case "conv":
            _check_pool(settings, image_shape)
        case "resnet" | "vit" if settings.weights is not None:
            _check_folder(settings, settings.weights, image_shape)
        case "resnet":
            pass
        case "vit":
            ViTSizes.of(settings.hidden, image_shape)
        case unreachable:
            assert_never(unreachable)


def has_batch_norm(settings: ModelSettings) -> bool:
    """Whether anything that is trained has a batch norm, whose statistics are those of a batch."""
    encoder = settings.norm == "batch" and not settings.frozen
    head = bool(settings.head_hidden) and (settings.head_norm or settings.norm) == "batch"
    return encoder or head or settings.head_out_norm == "batch"


def _check_fields(settings: ModelSettings) -> None:
    """Refuse settings that the encoder does not take."""
    encoder, is_preset = settings.encoder, settings.encoder in ("resnet18", "resnet50")
    if settings.weights is not None and encoder not in ("resnet", "vit"):
        raise ModelSettingsError(
            "weights", f"only resnet and vit are loaded from a folder; leave it out for {encoder}"
        )
    if settings.width is not None and not is_preset:
        raise ModelSettingsError(
            "width", f"only resnet18 and resnet50 are scaled; for {encoder} give hidden"
        )
    if settings.stem is not None and (not encoder.startswith("resnet") or settings.weights):
        given = "weights" if settings.weights else encoder
        raise ModelSettingsError("stem", f"only a resnet drawn here has it; leave it out ({given})")
    if settings.pool is not None and encoder != "conv":
        raise ModelSettingsError("pool", f"only conv has it; leave it out for {encoder}")
    if is_preset and settings.hidden:
        raise ModelSettingsError(
            "hidden",
            f"{encoder} has the published stages; scale them with width, or choose encoder: resnet",
        )
    if settings.weights is None and not is_preset and not settings.hidden:
        raise ModelSettingsError("hidden", "expected a list of at least 1, got an empty list")
    _check_norm(settings)


def stride_of(stage: int, image_shape: tuple[int, int, int]) -> int:
    """Return the stride of a conv's stage (from 0): 1 for the first one on tiny images, else 2."""
    return 1 if stage == 0 and max(image_shape[1:]) <= _TINY_IMAGE else 2


def _check_pool(settings: ModelSettings, image_shape: tuple[int, int, int]) -> None:
    side = min(image_shape[1:])
    for stage in range(len(settings.hidden)):
        side = math.ceil(side / stride_of(stage, image_shape))
    if (settings.pool or 1) > side:
        raise ModelSettingsError(
            "pool",
            f"expected at most {side}, the last map's pixels a side after {len(settings.hidden)} "
            f"stages, got {settings.pool}; choose fewer stages (hidden) or a smaller pool",
        )


def _check_norm(settings: ModelSettings) -> None:
    encoder, norm = settings.encoder, settings.norm
    if encoder == "vit" and norm != "none":
        raise ModelSettingsError(
            "norm",
            f"expected none with encoder: {encoder}, which has normalisation of its own, got "
            f"{norm}; leave it out, or choose encoder: mlp",
        )
    if encoder.startswith("resnet") and norm not in ("batch", "group"):
        raise ModelSettingsError(
            "norm",
            f"expected batch or group with encoder: {encoder}, got {norm}; leave it out, or choose "
            "encoder: conv or mlp",
        )
    if settings.weights is not None and norm == "group":
        raise ModelSettingsError(
            "norm", "expected batch, which the weights were trained with, got group; leave it out"
        )


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
    config = read_config(folder, "weights")
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
