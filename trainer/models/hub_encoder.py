"""ResNet and ViT of Hugging Face transformers, with random weights or from a local folder.

The only module that imports transformers, and only when such an encoder is built: others get the
library and its networks from here. Nothing is downloaded and nothing is unpickled: a folder must
hold ``config.json`` and safetensors.

Shape legend: N = images, C = channels, H = height, W = width, F = features.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, assert_never

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from trainer.data.audio.torchaudio_import import import_torchaudio
from trainer.errors import ModelSettingsError
from trainer.models.channel_norm import drop_counter, replace_batch_norms
from trainer.models.mlp import lay_out_head
from trainer.models.module_model import ModuleModel
from trainer.models.sizes import ResNetSizes, ViTSizes
from trainer.settings import ModelSettings, Norm

ImageShape = tuple[int, int, int]
Network = Any
"""A transformers.PreTrainedModel; transformers' own annotations do not hold under mypy strict."""


class PooledResNet(nn.Module):
    """A ResNet without classifier: images [N, C, H, W] to the mean of the last map, [N, F]."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network
        self.width: int = network.config.hidden_sizes[-1]

    def forward(self, images_NCHW: Tensor) -> Tensor:
        """Return pooled features; grey images fill all channels the network has."""
        images_NCHW = _with_channels(images_NCHW, self.network.config.num_channels)
        pooled_NF11: Tensor = self.network(images_NCHW).pooler_output
        return pooled_NF11.flatten(1)


class PooledViT(nn.Module):
    """A vision transformer without classifier: images [N, C, H, W] to the class token, [N, F]."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network
        self.width: int = network.config.hidden_size

    def forward(self, images_NCHW: Tensor) -> Tensor:
        """Return the class token; images are resized to the size the network was made for."""
        config = self.network.config
        images_NCHW = _with_channels(images_NCHW, config.num_channels)
        if images_NCHW.shape[-2:] != (config.image_size, config.image_size):
            size = (config.image_size, config.image_size)
            images_NCHW = interpolate(images_NCHW, size, mode="bilinear", antialias=True)
        tokens_NTF: Tensor = self.network(images_NCHW).last_hidden_state
        return tokens_NTF[:, 0]


def build_hub_model(settings: ModelSettings, image_shape: ImageShape) -> ModuleModel:
    """Return a ResNet or ViT with a projection head.

    Call :func:`trainer.models.sizes.check_model` first.

    Raises:
        ModelSettingsError: If the weights in the folder are not those of the encoder.
    """

    def draw_encoder() -> PooledResNet | PooledViT:
        return _build_encoder(settings, image_shape)

    with torch.random.fork_rng(devices=[]):
        template = draw_encoder()
    head = lay_out_head(settings, template.width)
    return ModuleModel(draw_encoder, template, image_shape, head)


def _build_encoder(settings: ModelSettings, image_shape: ImageShape) -> PooledResNet | PooledViT:
    match settings.encoder:
        case "resnet" | "resnet18" | "resnet50":
            encoder = PooledResNet(_build_resnet(settings, image_shape))
            _adjust_norms(encoder, settings.norm)
            return encoder
        case "vit":
            return PooledViT(_build_vit(settings, image_shape))
        case "mlp" | "conv":
            raise AssertionError(f"{settings.encoder} is none of transformers")
        case unreachable:
            assert_never(unreachable)


def _build_resnet(settings: ModelSettings, image_shape: ImageShape) -> Network:
    library = import_transformers()
    if settings.weights is not None:
        return load_network(library.ResNetModel, library.ResNetConfig, settings.weights)
    sizes = ResNetSizes.of(settings, image_shape)
    config = library.ResNetConfig(
        num_channels=image_shape[0],
        embedding_size=sizes.stem_width,
        hidden_sizes=list(sizes.widths),
        depths=list(sizes.blocks),
        layer_type=sizes.block,
    )
    network = library.ResNetModel._from_config(config, dtype=torch.float64)
    if sizes.stem == "3x3":
        _use_small_stem(network, image_shape[0], sizes.stem_width)
    return network


def _use_small_stem(network: Network, channels: int, width: int) -> None:
    """Put a 3 x 3 convolution of stride 1 in the place of the 7 x 7 of stride 2 and the pooling.

    They would leave 2 x 2 pixels of an 8 x 8 image (small images: He et al., section 4.2).
    """
    stem = network.embedder
    convolution = nn.Conv2d(channels, width, 3, padding=1, bias=False, dtype=torch.float64)
    nn.init.kaiming_normal_(convolution.weight, mode="fan_out", nonlinearity="relu")
    stem.embedder.convolution = convolution
    stem.pooler = nn.Identity()


def _build_vit(settings: ModelSettings, image_shape: ImageShape) -> Network:
    library = import_transformers()
    if settings.weights is not None:
        return load_network(
            library.ViTModel, library.ViTConfig, settings.weights, add_pooling_layer=False
        )
    sizes = ViTSizes.of(settings.hidden, image_shape)
    config = library.ViTConfig(
        num_channels=image_shape[0],
        image_size=image_shape[1],
        patch_size=sizes.patch,
        hidden_size=sizes.width,
        num_hidden_layers=len(settings.hidden),
        num_attention_heads=sizes.heads,
        intermediate_size=4 * sizes.width,
    )
    return library.ViTModel._from_config(config, dtype=torch.float64, add_pooling_layer=False)


NO_DROPOUT: Mapping[str, object] = {
    "hidden_dropout_prob": 0.0,
    "attention_probs_dropout_prob": 0.0,
}
"""Dropout would draw from the global generator; contrastive encoders have none."""


def load_network(
    network: Any,
    config: Any,
    folder: str | Path,
    *,
    field: str = "weights",
    changes: Mapping[str, object] = NO_DROPOUT,
    **options: object,
) -> Network:
    """Load a network of transformers from a folder of safetensors, in float64.

    Args:
        network: Its class.
        config: The class of its configuration.
        folder: With config.json and safetensors.
        field: The setting that messages blame.
        changes: Fields of the configuration that are not as the folder has them.
        **options: For ``from_pretrained``.

    Raises:
        ModelSettingsError: If the folder's weights cannot be read or are not this network's.
    """
    path = Path(folder)
    try:
        with _quietly():
            loaded, report = network.from_pretrained(
                path,
                config=config.from_pretrained(path, **changes),
                dtype=torch.float64,
                local_files_only=True,
                use_safetensors=True,
                output_loading_info=True,
                **options,
            )
    except Exception as error:  # safetensors has errors of its own, transformers raises any
        raise ModelSettingsError(
            field, f"the safetensors in {path} cannot be loaded: {error}"
        ) from error
    lacking = sorted(map(str, [*report["missing_keys"], *report["mismatched_keys"]]))
    if lacking:
        raise ModelSettingsError(
            field,
            f"expected the weights of a whole {network.__name__} in {path}, got none that fit for "
            f"{len(lacking)} of its tensors ({', '.join(lacking[:3])}, ...); save it again with "
            "save_pretrained",
        )
    return loaded


def import_transformers() -> Any:
    """Import the library only where it is needed: that takes 6 seconds."""
    if find_spec("torchaudio") is not None:
        import_torchaudio()  # transformers would import it as it is: an error beside a CPU torch
    import transformers  # noqa: PLC0415

    return transformers


@contextmanager
def _quietly() -> Iterator[None]:
    """Keep transformers' progress bar and its report of unused tensors off the terminal."""
    logging = import_transformers().utils.logging
    verbosity, had_bar = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if had_bar:
            logging.enable_progress_bar()


def _with_channels(images_NCHW: Tensor, channels: int) -> Tensor:
    return images_NCHW.expand(-1, channels, -1, -1)


def _adjust_norms(module: nn.Module, norm: Norm) -> None:
    """Let the batch norms of a ResNet be of ``norm``, and count no batches."""
    if norm != "batch":
        replace_batch_norms(module, norm)
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            drop_counter(part)
