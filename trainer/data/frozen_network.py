"""A tower's encoder that stays as it is, and what it makes of rows, cached on disk.

Shape legend: B = rows of a batch, R = all rows, F = flat inputs, C = features.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from trainer.data.digests import digest_tensors
from trainer.data.feature_cache import cache_folder, cached_features
from trainer.models.protocol import SingleModel, Tensors

_FORMAT = 1
"""To be raised when equal settings come to mean other features."""


@dataclass(frozen=True, slots=True)
class FrozenNetwork:
    """The encoder of a tower, with the weights of one seed.

    Attributes:
        tower: As if it were trained; its head counts for nothing.
        parameters: Of the encoder alone, one row each.
        running: Likewise.
    """

    tower: SingleModel
    parameters: Tensors
    running: Tensors

    @classmethod
    def draw(cls, tower: SingleModel, seed: int) -> "FrozenNetwork":
        """Draw or load the weights, by the seed alone, in float64."""
        parameters, running = tower.init_parameters([seed]), tower.init_running(1)
        return cls(tower, _of_encoder(parameters), _of_encoder(running))

    def digest(self) -> str:
        """Return a digest of the weights."""
        return digest_tensors(self.parameters | self.running)

    @torch.no_grad()
    def encode(
        self, batches: Iterable[Tensor], device: torch.device, dtype: torch.dtype
    ) -> Iterator[Tensor]:
        """Yield the features (B, C) of each batch of flat rows (B, F)."""
        parameters, running = (
            {name: tensor.to(device, dtype) for name, tensor in tensors.items()}
            for tensors in (self.parameters, self.running)
        )
        for rows_BF in batches:
            inputs_1BF = rows_BF.to(device, dtype)[None]
            yield self.tower.encode(parameters, running, inputs_1BF, training=False)[0]


def cache_rows(
    facts: Mapping[str, object],
    rows: int,
    dtype: torch.dtype,
    build: Callable[[], Iterable[Tensor]],
) -> Tensor:
    """Return features (R, C) from the cache, or built and stored.

    Args:
        facts: All that they depend on apart from the dtype, as JSON can hold it.
        rows: How many there are.
        dtype: In which they are stored.
        build: Yields them in pieces.

    Raises:
        FeatureCacheError: If they cannot be stored.
    """
    key = json.dumps({"format": _FORMAT, "dtype": str(dtype), **facts}, sort_keys=True)
    return cached_features(
        cache_folder() / "towers",
        key,
        rows,
        dtype,
        lambda: (piece_BC.to(dtype) for piece_BC in build()),
    )


def _of_encoder(tensors: Tensors) -> Tensors:
    return {name: tensor for name, tensor in tensors.items() if name.startswith("encoder.")}
