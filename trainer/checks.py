"""What is measured of members that embed images, on the fixed evaluation set.

Shape legend: M = members, N = evaluation images, F = flat pixels or features, D = embedding.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

from torch import Tensor

from trainer.collapse.regime import CollapseLevel
from trainer.collapse.spectrum import measure
from trainer.couples import find_references, measure_coupling, measure_loss_gap
from trainer.data.image_data import ImageData
from trainer.final_measures import NEIGHBOURS, measure_ends
from trainer.image_set import ImageSet
from trainer.probes import knn_accuracy
from trainer.readings import Reading, finite_members, list_readings
from trainer.settings import CollapseSettings, DataSettings, EvaluateSettings
from trainer.stack import Stack

_KNN_ALONE = EvaluateSettings()


@dataclass(frozen=True, slots=True)
class ImageEvaluation:
    """An :class:`~trainer.readings.Evaluation` of images."""

    images: ImageSet
    level: CollapseLevel

    @classmethod
    def of(
        cls,
        data: ImageData,
        settings: DataSettings,
        collapse: CollapseSettings,
        evaluate: EvaluateSettings = _KNN_ALONE,
    ) -> Self:
        """Fix the evaluation set by the split's seed: equal for all replicates of a study."""
        images = ImageSet.of(data, settings, evaluate)
        return cls(images, CollapseLevel(collapse.metric, collapse.below))

    def before_check(self, stack: Stack) -> None:
        """Do nothing: no measure compares with the step before."""

    def read(self, stack: Stack) -> list[Reading]:
        """Measure every member in evaluation mode, without augmentation but for ``alignment``."""
        features_MNF, projections_MND = stack.embed(self.images.images_NF)
        _, partners_MND = stack.embed(self.images.partner_NF)
        is_finite = finite_members(projections_MND) & finite_members(partners_MND)
        # A member without finite embeddings is measured as zeros and its numbers are dropped.
        mask_M11 = is_finite[:, None, None]
        collapse = measure(projections_MND.where(mask_M11, 0.0), partners_MND.where(mask_M11, 0.0))
        readings = list_readings(is_finite, self.level.score(collapse), collapse)
        is_finite &= finite_members(features_MNF)
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
                    self.images.data.test_labels_N,
                )
                readings[member] = replace(readings[member], coupling=coupling)
        return readings

    def qualities(self, stack: Stack) -> list[dict[str, float]]:
        """Return each member's kNN test accuracy on encoder features h."""
        train_MNF, _ = stack.embed(self.images.fitting_NF)
        test_MNF, _ = stack.embed(self.images.images_NF)
        is_finite = finite_members(train_MNF) & finite_members(test_MNF)
        labels_N = self.images.fitting_labels_N, self.images.data.test_labels_N
        accuracies = [
            knn_accuracy(train_NF, labels_N[0], test_NF, labels_N[1], neighbours=NEIGHBOURS)
            if finite
            else 0.0
            for train_NF, test_NF, finite in zip(train_MNF, test_MNF, is_finite, strict=True)
        ]
        return [{"knn_accuracy": float(accuracy)} for accuracy in accuracies]

    def measure_ends(self, stack: Stack, ends: Sequence[bool]) -> list[dict[str, float]]:
        """Return the final measures of each member that ends, see :mod:`.final_measures`."""
        return measure_ends(self.images, stack, ends)

    def embed(self, stack: Stack) -> tuple[Tensor, Tensor]:
        """Return features (M, N, F) and raw projections (M, N, D) of the test images."""
        return stack.embed(self.images.images_NF)
