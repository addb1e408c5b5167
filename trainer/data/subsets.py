"""Which images of a source a study uses: classes, split, limit, imbalance, from labels alone.

In this order: the first ``classes``, the split (unless the source has its own), at most ``limit``
images of each split with equal class shares, then the imbalance of the train split. All is drawn
once, by ``split_seed``; replicates share it.

Shape legend: N = images of a split, n = those kept, C = classes.
"""

import math
from dataclasses import dataclass, replace

import numpy as np
import torch

from trainer.data.image_source import Bytes, ImageSource, SourceSplit, Whole
from trainer.errors import DataSettingsError
from trainer.seeds import generator_for
from trainer.settings import DataSettings


@dataclass(frozen=True, slots=True)
class ChosenRows:
    """Positions in the source of the images of a study.

    Attributes:
        train_n: In ``source.train``.
        test_n: In ``source.test``, or in ``source.train`` where the source has no test split.
    """

    train_n: Whole
    test_n: Whole


def keep_classes(source: ImageSource, settings: DataSettings) -> ImageSource:
    """Return a source with the images of its first ``classes`` alone.

    Raises:
        DataSettingsError: If it has fewer.
    """
    count = settings.classes
    if count is None or count == source.class_count:
        return source
    if count > source.class_count:
        raise DataSettingsError(
            "classes",
            f"expected at most {source.class_count}, the classes that {settings.source} has, got "
            f"{count}",
        )
    return replace(
        source,
        train=_keep_classes(source.train, count),
        test=None if source.test is None else _keep_classes(source.test, count),
        class_count=count,
    )


def _keep_classes(split: SourceSplit, count: int) -> SourceSplit:
    kept_N = np.flatnonzero(split.labels_N < count)

    def read(rows_n: Whole) -> Bytes:
        return split.read(kept_N[rows_n])

    return SourceSplit(split.place, split.labels_N[kept_N], read)


def choose_rows(source: ImageSource, settings: DataSettings) -> ChosenRows:
    """Draw the images that a study uses.

    Raises:
        DataSettingsError: If ``test_fraction`` or ``limit`` leaves a class out.
    """
    if settings.limit is not None and settings.limit < source.class_count:
        raise DataSettingsError(
            "limit",
            f"expected at least {source.class_count}, one image of each class, got "
            f"{settings.limit}",
        )
    train_n, test_n = _split(source, settings)
    test = source.train if source.test is None else source.test
    train_n = _limit(source.train, train_n, settings, "train")
    return ChosenRows(
        train_n=_imbalance(source.train, train_n, source.class_count, settings),
        test_n=_limit(test, test_n, settings, "test"),
    )


def split_sizes(image_count: int, class_count: int, test_fraction: float) -> tuple[int, int]:
    """Return how many images go to train and to test; the test share is rounded up.

    Raises:
        DataSettingsError: If one of them has fewer images than there are classes.
    """
    test_count = math.ceil(test_fraction * image_count)
    train_count = image_count - test_count
    if min(test_count, train_count) < class_count:
        raise DataSettingsError(
            "test_fraction",
            f"leaves {train_count} images to train and {test_count} to test; both need at "
            f"least one of each of the {class_count} classes",
        )
    return train_count, test_count


def imbalanced_sizes(sizes_C: Whole, factor: float) -> Whole:
    """Return how many images each class keeps, from the first to the last ever fewer.

    Class c of C keeps ``size * factor ** (-c / (C - 1))``, rounded down, at least 1: the last
    has ``1 / factor`` of the share of the first.

    References:
        Cui et al., "Class-Balanced Loss Based on Effective Number of Samples", CVPR 2019,
        arXiv:1901.05555, section 4.1 (long-tailed CIFAR).
    """
    shares_C = factor ** -np.linspace(0, 1, len(sizes_C))
    # 100 * 0.01 is not 1: round-off must not take a sample.
    kept_C: Whole = np.floor(sizes_C * shares_C + 1e-9).astype(np.int64)
    return kept_C.clip(1)


def limited_sizes(sizes_C: Whole, limit: int) -> Whole:
    """Return how many images each class keeps of ``limit`` in all, by its share, at least 1.

    Largest remainders first; of equal ones the lower class.
    """
    ideal_C = sizes_C * (limit / sizes_C.sum())
    kept_C: Whole = np.floor(ideal_C + 1e-9).astype(np.int64).clip(1)
    for label in np.argsort(kept_C - ideal_C, kind="stable"):
        if kept_C.sum() >= limit:
            break
        kept_C[label] += 1
    while kept_C.sum() > limit:  # rare classes were rounded up to 1
        kept_C[np.argmax(kept_C)] -= 1
    return kept_C


def _split(source: ImageSource, settings: DataSettings) -> tuple[Whole, Whole]:
    if source.test is not None:
        return np.arange(len(source.train.labels_N)), np.arange(len(source.test.labels_N))
    assert settings.test_fraction is not None, "sources without a test split ask for it"
    labels_N = source.train.labels_N
    split_sizes(len(labels_N), source.class_count, settings.test_fraction)
    sizes_C = np.bincount(labels_N)
    if sizes_C.min() < 2:
        raise DataSettingsError(
            "source",
            f"{source.train.place}: class {sizes_C.argmin()} has one image; a split needs two "
            "of each class at least",
        )
    # Here, for importing scikit-learn takes 4 CPU-seconds, and of a lane's processes only the
    # workers load data.
    from sklearn.model_selection import train_test_split  # noqa: PLC0415

    train_n, test_n = train_test_split(
        np.arange(len(labels_N)),
        test_size=settings.test_fraction,
        random_state=settings.split_seed,
        stratify=labels_N,
    )
    return train_n, test_n


def _limit(split: SourceSplit, rows_n: Whole, settings: DataSettings, name: str) -> Whole:
    if settings.limit is None or settings.limit >= len(rows_n):
        return rows_n
    kept_C = limited_sizes(np.bincount(split.labels_N[rows_n]), settings.limit)
    return _draw(split, rows_n, kept_C, settings, f"limit-{name}")


def _imbalance(
    split: SourceSplit, rows_n: Whole, class_count: int, settings: DataSettings
) -> Whole:
    if settings.imbalance == 1:
        return rows_n
    sizes_C = np.bincount(split.labels_N[rows_n], minlength=class_count)
    kept_C = imbalanced_sizes(sizes_C, settings.imbalance)
    return _draw(split, rows_n, kept_C, settings, "imbalance")


def _draw(
    split: SourceSplit, rows_n: Whole, kept_C: Whole, settings: DataSettings, purpose: str
) -> Whole:
    """Draw as many of each class as given; of equal draws, fewer are part of more."""
    order_n = torch.randperm(
        len(rows_n), generator=generator_for(settings.split_seed, purpose)
    ).numpy()
    shuffled_n = rows_n[order_n]
    labels_n = split.labels_N[shuffled_n]
    parts = [shuffled_n[labels_n == label][:kept] for label, kept in enumerate(kept_C)]
    return np.sort(np.concatenate(parts))
