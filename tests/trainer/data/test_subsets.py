"""Split, limit and imbalance: every class stays, nothing of the test split is trained on."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trainer.data.image_source import Bytes, ImageSource, SourceSplit, Whole
from trainer.data.images import know_images, load_images
from trainer.data.subsets import choose_rows, imbalanced_sizes, keep_classes, limited_sizes
from trainer.errors import DataSettingsError
from trainer.settings import DataSettings


def source_of(sizes: list[int], *, has_test: bool) -> ImageSource:
    """Make a source of labels whose images are never read."""

    def read(_: Whole) -> Bytes:
        raise AssertionError("rows are drawn from labels alone")

    labels = np.repeat(np.arange(len(sizes)), sizes)
    labels = np.random.default_rng(0).permutation(labels)
    split = SourceSplit("here", labels, read)
    return ImageSource(split, split if has_test else None, len(sizes), (1, 2, 2))


def digits(**changes: object) -> DataSettings:
    return DataSettings.model_validate({"source": "digits", **changes})


@settings(deadline=None, max_examples=40)
@given(
    sizes=st.lists(st.integers(8, 40), min_size=2, max_size=6),
    test_fraction=st.floats(0.25, 0.75),
    limit=st.none() | st.integers(6, 60),
    imbalance=st.floats(1, 100),
    seed=st.integers(0, 99),
)
def test_splits_are_disjoint_repeatable_and_have_every_class(
    sizes: list[int], test_fraction: float, limit: int | None, imbalance: float, seed: int
) -> None:
    source = source_of(sizes, has_test=False)
    wanted = digits(test_fraction=test_fraction, limit=limit, imbalance=imbalance, split_seed=seed)
    rows, again = choose_rows(source, wanted), choose_rows(source, wanted)
    assert not set(rows.train_n) & set(rows.test_n)
    for drawn, repeated in ((rows.train_n, again.train_n), (rows.test_n, again.test_n)):
        assert drawn.tolist() == repeated.tolist()
        assert len(set(drawn)) == len(drawn) <= (limit or sum(sizes))
        assert set(source.train.labels_N[drawn]) == set(range(len(sizes)))


def test_the_test_split_knows_no_imbalance() -> None:
    source = source_of([50] * 5, has_test=True)
    plain = choose_rows(source, digits(limit=100))
    thinned = choose_rows(source, digits(limit=100, imbalance=10.0))
    assert thinned.test_n.tolist() == plain.test_n.tolist()
    assert set(thinned.train_n) < set(plain.train_n)
    assert np.bincount(source.train.labels_N[thinned.train_n]).tolist() == [20, 11, 6, 3, 2]


def test_other_seeds_draw_other_images() -> None:
    source = source_of([50] * 5, has_test=True)
    for setting in ({"limit": 100}, {"imbalance": 10.0}):
        first, other = (choose_rows(source, digits(**setting, split_seed=s)) for s in (0, 1))
        assert first.train_n.tolist() != other.train_n.tolist()
        assert len(first.train_n) == len(other.train_n)


def test_without_limit_and_imbalance_a_source_is_whole() -> None:
    source = source_of([5, 7, 3], has_test=True)
    for wanted in (digits(), digits(limit=15)):
        rows = choose_rows(source, wanted)
        assert rows.train_n.tolist() == rows.test_n.tolist() == list(range(15))


@pytest.mark.parametrize(
    ("sizes", "factor", "kept"),
    [
        ([5000] * 10, 1.0, [5000] * 10),
        # Long-tailed CIFAR-10 of the paper's code: 5000 * 100 ** (-c / 9), rounded down.
        ([5000] * 10, 100.0, [5000, 2997, 1796, 1077, 645, 387, 232, 139, 83, 50]),
        ([100, 100], 100.0, [100, 1]),
        ([9, 9, 9], 100.0, [9, 1, 1]),
    ],
)
def test_imbalance_thins_out_by_a_constant_factor(
    sizes: list[int], factor: float, kept: list[int]
) -> None:
    assert imbalanced_sizes(np.array(sizes), factor).tolist() == kept


@settings(deadline=None, max_examples=60)
@given(sizes=st.lists(st.integers(1, 500), min_size=1, max_size=12), data=st.data())
def test_a_limit_is_kept_exactly_with_nearly_equal_shares(
    sizes: list[int], data: st.DataObject
) -> None:
    limit = data.draw(st.integers(len(sizes), sum(sizes)))
    kept = limited_sizes(np.array(sizes), limit)
    assert kept.sum() == limit
    assert (kept >= 1).all()
    assert (kept <= np.array(sizes)).all()
    ideal = np.array(sizes) * limit / sum(sizes)
    if ideal.min() >= 1:
        assert np.abs(kept - ideal).max() < 1 + 1e-6


def test_a_limit_below_the_classes_is_refused() -> None:
    with pytest.raises(DataSettingsError, match="limit: expected at least 5, one image of each"):
        choose_rows(source_of([9] * 5, has_test=True), digits(limit=4))


@settings(deadline=None, max_examples=30)
@given(sizes=st.lists(st.integers(1, 9), min_size=3, max_size=6), data=st.data())
def test_the_first_classes_are_kept_with_their_own_images(
    sizes: list[int], data: st.DataObject
) -> None:
    count = data.draw(st.integers(2, len(sizes)))
    labels = np.random.default_rng(1).permutation(np.repeat(np.arange(len(sizes)), sizes))

    def read(rows: Whole) -> Bytes:
        return rows.astype(np.uint8)[:, None, None, None]  # every image says where it lies

    split = SourceSplit("here", labels, read)
    whole = ImageSource(split, split, len(sizes), (1, 1, 1))
    kept = keep_classes(whole, digits(classes=count))
    assert kept.class_count == count
    assert kept.test is not None
    for part in (kept.train, kept.test):
        places = part.read(np.arange(len(part.labels_N))).ravel()
        assert places.tolist() == np.flatnonzero(labels < count).tolist()
        assert labels[places].tolist() == part.labels_N.tolist()


def test_more_classes_than_there_are_are_refused() -> None:
    with pytest.raises(DataSettingsError, match=r"classes: expected at most 3, .* digits .* got 4"):
        keep_classes(source_of([5, 5, 5], has_test=True), digits(classes=4))


def test_fewer_classes_of_the_digits_are_known_without_loading_them() -> None:
    wanted = digits(classes=3, limit=200)
    facts, images = know_images(wanted), load_images(wanted)
    assert facts.class_count == images.class_count == 3
    assert facts.train_count == len(images.train_labels_N) == 200
    assert facts.test_count == len(images.test_labels_N)
    assert set(images.train_labels_N.tolist()) == {0, 1, 2}
