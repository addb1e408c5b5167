"""What is measured at a check, on the fixed evaluation set, for every member of a stack.

Shape legend: M = members, N = evaluation images, F = flat pixels or features, D = embedding.
"""

from dataclasses import dataclass, field, replace
from typing import Self

import torch
from torch import Tensor

from trainer.collapse.regime import CollapseLevel
from trainer.collapse.spectrum import Collapse, measure
from trainer.couples import find_references, measure_coupling, measure_loss_gap
from trainer.data.augment import evaluation_view
from trainer.data.image_data import ImageData
from trainer.probes import knn_accuracy
from trainer.seeds import generator_for
from trainer.settings import CollapseSettings, DataSettings, EvaluateSettings
from trainer.stack import Stack

NEIGHBOURS = 20
_KNN_ALONE = EvaluateSettings()


@dataclass(frozen=True, slots=True)
class Reading:
    """One member's measures at one check; ``values`` is empty when its embeddings are not finite.

    ``score`` is the study's metric, ``coupling`` how alike the member is to its reference: empty
    without one, or if either's embeddings are not finite.
    """

    is_finite: bool
    score: float
    values: dict[str, float]
    spectrum: tuple[float, ...]
    coupling: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The fixed evaluation set: all test images, and one fixed augmented view of each.

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
    level: CollapseLevel
    settings: EvaluateSettings
    seed: int

    @classmethod
    def of(
        cls,
        data: ImageData,
        settings: DataSettings,
        collapse: CollapseSettings,
        evaluate: EvaluateSettings = _KNN_ALONE,
    ) -> Self:
        """Fix the evaluation set by the split's seed: equal for all replicates of a study."""
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
            level=CollapseLevel(collapse.metric, collapse.below),
            settings=evaluate,
            seed=settings.split_seed,
        )

    def read(self, stack: Stack) -> list[Reading]:
        """Measure every member in evaluation mode, without augmentation but for ``alignment``."""
        features_MNF, projections_MND = stack.embed(self.images_NF)
        _, partners_MND = stack.embed(self.partner_NF)
        is_finite = _finite_members(projections_MND) & _finite_members(partners_MND)
        # A member without finite embeddings is measured as zeros and its numbers are dropped.
        mask_M11 = is_finite[:, None, None]
        collapse = measure(projections_MND.where(mask_M11, 0.0), partners_MND.where(mask_M11, 0.0))
        readings = _readings(is_finite, self.level.score(collapse), collapse)
        is_finite &= _finite_members(features_MNF)
        for member, reference in find_references(stack.members).items():
            if is_finite[member] and is_finite[reference]:
                coupling = measure_coupling(
                    member, reference, features_MNF, projections_MND, stack.parameters
                )
                coupling |= measure_loss_gap(
                    stack.members[member],
                    stack.members[reference],
                    projections_MND[member],
                    partners_MND[member],
                    self.data.test_labels_N,
                )
                readings[member] = replace(readings[member], coupling=coupling)
        return readings

    def knn_accuracies(self, stack: Stack) -> list[float]:
        """Return each member's kNN test accuracy on encoder features h (utility, in [0, 1]).

        Members whose features are not finite get 0.0.
        """
        train_MNF, _ = stack.embed(self.fitting_NF)
        test_MNF, _ = stack.embed(self.images_NF)
        is_finite = _finite_members(train_MNF) & _finite_members(test_MNF)
        return [
            float(
                knn_accuracy(
                    train_MNF[m],
                    self.fitting_labels_N,
                    test_MNF[m],
                    self.data.test_labels_N,
                    neighbours=NEIGHBOURS,
                )
            )
            if is_finite[m]
            else 0.0
            for m in range(len(train_MNF))
        ]


def _choose_rows(labels_N: Tensor, most: int, seed: int) -> Tensor:
    """Return the rows to fit on, ascending: all, or ``most`` of them drawn by the split's seed."""
    generator = generator_for(seed, "evaluation-train")
    order_N = torch.randperm(len(labels_N), generator=generator)
    return order_N[:most].sort().values.to(labels_N.device)


def _finite_members(tensor_MND: Tensor) -> Tensor:
    return tensor_MND.isfinite().flatten(1).all(dim=1)


def _readings(is_finite_M: Tensor, score_M: Tensor, collapse: Collapse) -> list[Reading]:
    assert collapse.alignment is not None
    columns = {
        "effective_rank": collapse.effective_rank,
        "rankme": collapse.rankme,
        "stable_rank": collapse.stable_rank,
        "participation_ratio": collapse.participation_ratio,
        "total_variance": collapse.total_variance,
        "uniformity": collapse.uniformity,
        "alignment": collapse.alignment,
    }
    names = list(columns)
    table = torch.stack([columns[name].double() for name in names], dim=1).tolist()
    spectra = collapse.spectrum_K.double().tolist()
    return [
        Reading(True, float(score), dict(zip(names, row, strict=True)), tuple(spectrum))
        if finite
        else Reading(False, 0.0, {}, ())
        for finite, score, row, spectrum in zip(
            is_finite_M.tolist(), score_M.tolist(), table, spectra, strict=True
        )
    ]
