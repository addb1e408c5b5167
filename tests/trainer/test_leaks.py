"""What training may not see: test images, labels beyond the subset, prototypes that give way.

Each test changes what must not matter and compares the trained weights bit for bit, or changes
what must, so that none of them could pass for want of an effect.
"""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from tests.trainer.cohorts import CPU, DIGITS, NEVER_EARLY, make_cohort, make_member
from trainer import stack as stack_module
from trainer.checks import ImageEvaluation
from trainer.data.batches import BatchStream, draw_label_mask
from trainer.data.image_data import ImageData
from trainer.data.images import load_images
from trainer.settings import AugmentPolicy, AugmentSettings
from trainer.stack import Stack

DATA = load_images(DIGITS)
FRACTION, SEED, STEPS = 0.1, 1, 12
FEW = make_member("few", lr=0.1, seed=SEED, kind="clop", label_fraction=FRACTION)
NONE = make_member("none", lr=0.1, seed=SEED, kind="infonce")
COHORT = make_cohort([FEW, NONE])
MASK = draw_label_mask(DATA.train_labels_N, FRACTION, SEED)


def train(data: ImageData, policy: AugmentPolicy = "simple") -> Stack:
    """Train both members for a few steps, through every image twice."""
    members = Stack(COHORT, data, CPU, torch.float32)
    stream = BatchStream(data, AugmentSettings(policy=policy), 200, SEED)
    for step in range(STEPS):
        batch = stream.batch_at(step)
        members.step(torch.stack([batch.views_VBF] * 2), torch.stack([batch.indices_B] * 2))
    return members


def assert_equal_weights(first: Stack, second: Stack, member: int | None = None) -> None:
    rows = slice(None) if member is None else slice(member, member + 1)
    for name, weights in first.parameters.items():
        assert torch.equal(weights[rows], second.parameters[name][rows]), name


def position_of(trial: str) -> int:
    members = Stack(COHORT, DATA, CPU, torch.float32).members
    return [member.trial for member in members].index(trial)


def swap(labels_N: Tensor, first: int, second: int) -> Tensor:
    swapped_N = labels_N.clone()
    swapped_N[first], swapped_N[second] = labels_N[second], labels_N[first]
    return swapped_N


def swap_unlabelled() -> Tensor:
    """Exchange the labels of 40 pairs of images outside of the subset, which stays the same."""
    labels_N = DATA.train_labels_N
    unlabelled = (~MASK).nonzero().flatten().tolist()
    swaps = 0
    for first, second in zip(unlabelled[::2], unlabelled[1::2], strict=False):
        tried_N = swap(labels_N, first, second)
        is_same = torch.equal(draw_label_mask(tried_N, FRACTION, SEED), MASK)
        if is_same and not torch.equal(tried_N, labels_N):
            labels_N, swaps = tried_N, swaps + 1
        if swaps == 40:
            break
    assert swaps == 40
    return labels_N


def test_labels_outside_of_the_subset_do_not_matter() -> None:
    assert_equal_weights(train(DATA), train(replace(DATA, train_labels_N=swap_unlabelled())))


def test_labels_of_the_subset_do_matter_where_they_may_be_used() -> None:
    first = int(MASK.nonzero()[0])
    other = next(
        int(i) for i in MASK.nonzero() if DATA.train_labels_N[i] != DATA.train_labels_N[first]
    )
    changed = swap(DATA.train_labels_N, first, int(other))
    assert torch.equal(draw_label_mask(changed, FRACTION, SEED), MASK)
    plain, swapped = train(DATA), train(replace(DATA, train_labels_N=changed))
    assert_equal_weights(plain, swapped, position_of("none"))
    few = position_of("few")
    assert not all(
        torch.equal(weights[few], swapped.parameters[name][few])
        for name, weights in plain.parameters.items()
    )


def test_test_images_and_their_labels_do_not_matter() -> None:
    blind = replace(
        DATA,
        test_images_NCHW=torch.zeros_like(DATA.test_images_NCHW),
        test_labels_N=torch.zeros_like(DATA.test_labels_N),
    )
    assert_equal_weights(train(DATA), train(blind))


def test_the_subset_is_drawn_once_for_a_training(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[tuple[float, int]] = []

    def count(labels_N: Tensor, fraction: float, seed: int) -> Tensor:
        drawn.append((fraction, seed))
        return draw_label_mask(labels_N, fraction, seed)

    monkeypatch.setattr(stack_module, "draw_label_mask", count)
    train(DATA)
    assert sorted(drawn) == [(FRACTION, SEED), (1.0, SEED)]  # few, none


def test_the_subset_has_every_class_by_its_share() -> None:
    sizes, kept = (labels.bincount() for labels in (DATA.train_labels_N, DATA.train_labels_N[MASK]))
    assert ((kept - FRACTION * sizes) >= 0).all()
    assert ((kept - FRACTION * sizes) < 1).all()


def test_prototypes_are_not_learned() -> None:
    untouched, trained = Stack(COHORT, DATA, CPU, torch.float32), train(DATA)
    before, after = untouched.state(), trained.state()
    prototypes = [name for name in before if "prototypes" in name]
    assert prototypes
    for name in prototypes:
        assert torch.equal(before[name], after[name])
        assert not after[name].requires_grad
    assert not any("prototypes" in name for name in trained.parameters)


@pytest.mark.parametrize("policy", ["simple", "simclr", "autoaugment", "randaugment"])
def test_accuracy_and_rank_are_measured_on_images_as_they_are(policy: AugmentPolicy) -> None:
    settings = DIGITS.model_copy(update={"augment": AugmentSettings(policy=policy)})
    evaluation = ImageEvaluation.of(DATA, settings, NEVER_EARLY)
    plain = ImageEvaluation.of(DATA, DIGITS, NEVER_EARLY)
    assert torch.equal(evaluation.images.images_NF, DATA.test_images_NCHW.flatten(1))
    assert evaluation.images.data.train_images_NCHW is DATA.train_images_NCHW
    trained = train(DATA)
    assert evaluation.qualities(trained) == plain.qualities(trained)
    for one, other in zip(evaluation.read(trained), plain.read(trained), strict=True):
        assert one.score == other.score
        assert one.spectrum == other.spectrum
        if policy != "simple":
            assert one.values["alignment"] != other.values["alignment"]
