"""The images that members are measured on: fixed for a study by the seed of its split.

Shape legend: N = images, F = flat pixels or features.
"""

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from trainer.data.augment import evaluation_view
from trainer.data.image_data import ImageData
from trainer.seeds import generator_for
from trainer.settings import DataSettings, EvaluateSettings

_KNN_ALONE = EvaluateSettings()


@dataclass(frozen=True, slots=True)
class ImageSet:
    """All test images, one fixed augmented view of each, and what probes are fitted on.

    Attributes:
        fitting_NF: Training images that kNN and probes are fitted on; all, or as many as
            ``settings.train_images``.
        fitting_labels_N: Their classes.
        seed: Of the data split; what an evaluation draws derives from it.
    """

    data: ImageData
    images_NF: Tensor
    partner_NF: Tensor
    fitting_NF: Tensor
    fitting_labels_N: Tensor
    settings: EvaluateSettings
    seed: int

    @classmethod
    def of(
        cls, data: ImageData, settings: DataSettings, evaluate: EvaluateSettings = _KNN_ALONE
    ) -> Self:
        """Fix the set by the split's seed: equal for all replicates of a study."""
        if data.views is None:
            partner_NF = evaluation_view(data, settings).flatten(1)
        else:
            partner_NF = data.views.partner_NF
        rows_N = _choose_rows(data.train_labels_N, evaluate.train_images, settings.split_seed)
        return cls(
            data=data,
            images_NF=data.test_images_NCHW.flatten(1),
            partner_NF=partner_NF,
            fitting_NF=data.train_images_NCHW[rows_N].flatten(1),
            fitting_labels_N=data.train_labels_N[rows_N],
            settings=evaluate,
            seed=settings.split_seed,
        )


def _choose_rows(labels_N: Tensor, most: int, seed: int) -> Tensor:
    """Return the rows to fit on, ascending: all, or ``most`` of them drawn by the split's seed."""
    generator = generator_for(seed, "evaluation-train")
    order_N = torch.randperm(len(labels_N), generator=generator)
    return order_N[:most].sort().values.to(labels_N.device)
