"""Features of a frozen encoder in the place of images: encoded once, cached on disk.

The encoder is the same for all replicates: its weights come from a folder or from the data's
split seed, so that all lanes of a node and all replicates share one file.

Shape legend: N = images, V = views, C = channels, H = height, W = width, F = features, r = rows
of a piece, R = rows in all.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor

from trainer.data.augment import draw_views, evaluation_view
from trainer.data.digests import digest_folder, digest_tensors
from trainer.data.feature_cache import cache_folder, cached_features
from trainer.data.image_data import EncodedViews, ImageData
from trainer.models.build import build_model
from trainer.models.protocol import SingleModel, Tensors
from trainer.seeds import generator_for
from trainer.settings import DataSettings, ModelSettings

_FORMAT = 1
"""To be raised when equal settings come to mean other features."""

_IMAGES_AT_ONCE = 1024


@dataclass(frozen=True)
class FrozenEncoder:
    """The encoder of a study with ``model.frozen``, and the images it encodes."""

    model: ModelSettings
    settings: DataSettings
    data: ImageData
    device: torch.device
    dtype: torch.dtype

    def encode_data(self) -> ImageData:
        """Return the data with features for images, from the cache where they are known.

        Raises:
            FeatureCacheError: If they cannot be stored.
            ModelSettingsError: If the settings describe no encoder.
        """
        sections = self._sections()
        folder, rows = cache_folder() / "features", sum(sections.values())
        features_RF = cached_features(folder, self.key, rows, self.dtype, self._pieces)
        parts = dict(zip(sections, torch.split(features_RF, list(sections.values())), strict=True))
        views, width = self.settings.augment.views, features_RF.shape[1]
        return replace(
            self.data,
            train_images_NCHW=parts["train"][:, :, None, None],
            test_images_NCHW=parts["test"][:, :, None, None],
            views=EncodedViews(
                train_VNF=parts["views"].view(views, -1, width),
                partner_NF=parts["partner"],
            ),
        )

    @cached_property
    def key(self) -> str:
        """All that the features depend on, as text."""
        images = (self.data.train_images_NCHW, self.data.test_images_NCHW)
        return json.dumps(
            {
                "format": _FORMAT,
                "encoder": self.model.encoder,
                "norm": self.model.norm,
                "weights": self._weights_digest(),
                "images": digest_tensors({str(i): image for i, image in enumerate(images)}),
                "augment": self.settings.augment.model_dump(mode="json"),
                "scale": (self.data.scale.mean, self.data.scale.std),
                "split_seed": self.settings.split_seed,
                "dtype": str(self.dtype),
            },
            sort_keys=True,
        )

    def _weights_digest(self) -> str:
        if self.model.weights is not None:
            return digest_folder(Path(self.model.weights))
        return digest_tensors(self._weights[0] | self._weights[1])

    @cached_property
    def _encoder(self) -> SingleModel:
        trained = self.model.model_copy(update={"frozen": False})
        return build_model(trained, self.data.image_shape)

    @cached_property
    def _weights(self) -> tuple[Tensors, Tensors]:
        """Parameters and running statistics of the encoder, as one member, in float64."""
        parameters = self._encoder.init_parameters([self.settings.split_seed])
        running = self._encoder.init_running(1)
        return _of_encoder(parameters), _of_encoder(running)

    def _sections(self) -> dict[str, int]:
        """Return the parts of a file in their order, with the rows of each."""
        train, test = len(self.data.train_labels_N), len(self.data.test_labels_N)
        views = self.settings.augment.views
        return {"views": views * train, "train": train, "test": test, "partner": test}

    @torch.no_grad()
    def _pieces(self) -> Iterator[Tensor]:
        """Yield the features of all sections, piece by piece, [r, F]."""
        parameters, running = (
            {name: tensor.to(self.device, self.dtype) for name, tensor in tensors.items()}
            for tensors in self._weights
        )
        for images_NCHW in self._images():
            pixels_1NF = images_NCHW.to(self.device, self.dtype).flatten(1)[None]
            yield self._encoder.encode(parameters, running, pixels_1NF, training=False)[0]

    def _images(self) -> Iterator[Tensor]:
        train_NCHW, test_NCHW = self.data.train_images_NCHW, self.data.test_images_NCHW
        augmentation, seed = self.settings.augment, self.settings.split_seed
        for view in range(augmentation.views):
            for number, images_NCHW in enumerate(_pieces_of(train_NCHW)):
                generator = generator_for(seed, "encoded-view", view, number)
                yield draw_views(images_NCHW, self.data.scale, augmentation, generator)[0]
        partner_NCHW = evaluation_view(self.data, self.settings)
        for plain_NCHW in (train_NCHW, test_NCHW, partner_NCHW):
            yield from _pieces_of(plain_NCHW)


def _pieces_of(images_NCHW: Tensor) -> tuple[Tensor, ...]:
    return torch.split(images_NCHW, _IMAGES_AT_ONCE)


def _of_encoder(tensors: Tensors) -> Tensors:
    return {name: tensor for name, tensor in tensors.items() if name.startswith("encoder.")}
