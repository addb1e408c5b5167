"""What is measured once of a member that ends: how well classes can be read off its embeddings.

In evaluation mode and without augmentation. Whatever is fitted is fitted on training images and
scored on test images.

Shape legend: M = members, N = training images, P = test images, D = features or projections.
"""

import math
from collections.abc import Sequence

from torch import Tensor

from trainer.alignment import linear_cka
from trainer.couples import find_references, find_unshared
from trainer.few_shot import few_shot_accuracy
from trainer.image_set import ImageSet
from trainer.probes import knn_accuracy, linear_probe_accuracy, nccc_accuracy
from trainer.stack import Stack
from trainer.variability import cdnv

NEIGHBOURS = 20


def measure_ends(images: ImageSet, stack: Stack, ends: Sequence[bool]) -> list[dict[str, float]]:
    """Return the final measures of each member that ends; {} for those that go on.

    ``knn_accuracy`` of encoder features always, 0 where they are not finite; the others as
    :class:`~trainer.settings.EvaluateSettings` asks. A number that is not finite is left out.
    Of coupled members also ``cka_features_train``, ``cka_projections_train``: with the reference,
    on the training images that probes are fitted on; and ``..._unshared``: with the reference of
    another replicate, on the test images.
    """
    train = stack.embed(images.fitting_NF)
    test = stack.embed(images.images_NF)
    measures: list[dict[str, float]] = [
        _measure_member(images, [stack[m] for stack in train], [stack[m] for stack in test])
        if is_end
        else {}
        for m, is_end in enumerate(ends)
    ]
    others = {
        "train": (train, find_references(stack.members)),
        "unshared": (test, find_unshared(stack.members)),
    }
    for suffix, (embedded, pairs) in others.items():
        for member, other in pairs.items():
            if ends[member]:
                measures[member] |= _alignment(embedded, member, other, suffix)
    return measures


def _measure_member(
    images: ImageSet, train: Sequence[Tensor], test: Sequence[Tensor]
) -> dict[str, float]:
    settings = images.settings
    measures = {"knn_accuracy": 0.0}
    if train[0].isfinite().all() and test[0].isfinite().all():
        measures = _accuracies(images, train[0], test[0], "")
        if settings.cdnv:
            measures["cdnv_features"] = float(cdnv(test[0], images.data.test_labels_N))
    if train[1].isfinite().all() and test[1].isfinite().all():
        if settings.projection:
            measures |= _accuracies(images, train[1], test[1], "_projection")
        if settings.cdnv:
            measures["cdnv_projections"] = float(cdnv(test[1], images.data.test_labels_N))
    return {name: value for name, value in measures.items() if math.isfinite(value)}


def _accuracies(
    images: ImageSet, train_ND: Tensor, test_PD: Tensor, suffix: str
) -> dict[str, float]:
    settings = images.settings
    given = (train_ND, images.fitting_labels_N, test_PD, images.data.test_labels_N)
    found = {"knn_accuracy": knn_accuracy(*given, neighbours=NEIGHBOURS)}
    if settings.linear_probe:
        found["probe_accuracy"] = linear_probe_accuracy(*given)
    if settings.nccc:
        found["nccc_accuracy"] = nccc_accuracy(*given)
    if settings.few_shot:
        found["few_shot_accuracy"] = few_shot_accuracy(
            *given, shots=settings.few_shot, seed=images.seed
        )
    return {name + suffix: float(accuracy) for name, accuracy in found.items()}


def _alignment(
    embedded: Sequence[Tensor], member: int, other: int, suffix: str
) -> dict[str, float]:
    """Return the CKA of two members' features and projections where all of them are finite."""
    pairs = {
        f"cka_{name}_{suffix}": (stack_MND[member], stack_MND[other])
        for name, stack_MND in zip(("features", "projections"), embedded, strict=True)
    }
    return {
        name: float(linear_cka(own_ND, other_ND))
        for name, (own_ND, other_ND) in pairs.items()
        if own_ND.isfinite().all() and other_ND.isfinite().all()
    }
