"""How encoder and head are run while they train: at once or in pieces, where, how precisely.

Shape legend: M = members, N = rows, F = flat pixels, D = embedding.
"""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Literal, Self

import torch
from torch import Tensor

from trainer.crew import ALONE, Crew
from trainer.models.blocks import checkpointed_blocks
from trainer.models.protocol import Model, Tensors, Tower
from trainer.settings import SharedTrainSettings


@dataclass(frozen=True, slots=True)
class Route:
    """How encoder and head are run while they train.

    Attributes:
        micro_pairs: Pairs that are embedded at a time; None for all.
        crew: The workers that share every batch; this one embeds its own rows.
        precision: Of the products in encoder and head; what leaves the head is float32 again.
            float64 stays float64 whatever it says.
        is_checkpointed: Whether blocks keep their inputs only.
    """

    micro_pairs: int | None = None
    crew: Crew = ALONE
    precision: Literal["float32", "bfloat16"] = "float32"
    is_checkpointed: bool = False

    @classmethod
    def of(cls, settings: SharedTrainSettings, crew: Crew) -> Self:
        """Return the route that the settings name; micro-batches are dropped where one is all."""
        micro = settings.micro_batch_size
        is_cut = micro is not None and micro < settings.batch_size
        return cls(
            micro_pairs=micro if is_cut else None,
            crew=crew,
            precision=settings.precision,
            is_checkpointed=settings.checkpoint_activations,
        )

    @property
    def is_plain(self) -> bool:
        """Whether a batch is embedded at once, in its own precision, and nothing computed twice."""
        is_whole = self.micro_pairs is None and not self.is_checkpointed
        return is_whole and self.precision == "float32"

    def project(
        self, model: Model, parameters: Tensors, running: Tensors, inputs_MNF: Tensor
    ) -> Tensor:
        """Return training projections, shape (M, N, D), in the dtype of the inputs.

        Rows are first views, then as many second ones.
        """
        towers = model.towers
        with checkpointed_blocks(enabled=self.is_checkpointed), self._autocast(inputs_MNF):
            projections = [
                _run(tower, parameters, running, rows_MNF)
                for tower, rows_MNF in zip(towers, inputs_MNF.chunk(len(towers), 1), strict=True)
            ]
            projections_MND = projections[0] if len(towers) == 1 else torch.cat(projections, 1)
        return projections_MND.to(inputs_MNF.dtype)

    def _autocast(self, inputs_MNF: Tensor) -> AbstractContextManager[object]:
        if self.precision == "float32":
            return nullcontext()
        return torch.autocast(inputs_MNF.device.type, dtype=torch.bfloat16)


def _run(tower: Tower, parameters: Tensors, running: Tensors, inputs_MNF: Tensor) -> Tensor:
    features = tower.encode(parameters, running, inputs_MNF, training=True)
    return tower.project(parameters, running, features, training=True)
