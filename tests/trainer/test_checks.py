"""The evaluation set is fixed by the split's seed; what is read is what the instruments say."""

import pytest
import torch
from torch import Tensor

from tests.trainer.cohorts import CPU, DIGITS, make_cohort, make_member
from trainer.checks import ImageEvaluation
from trainer.cohort import Cohort
from trainer.collapse.spectrum import measure
from trainer.data.image_data import ImageData
from trainer.data.images import load_images
from trainer.probes import knn_accuracy
from trainer.settings import AugmentSettings, CollapseSettings, DataSettings
from trainer.stack import Stack

DATA = load_images(DIGITS)
MEASURES = (
    "effective_rank",
    "rankme",
    "stable_rank",
    "participation_ratio",
    "total_variance",
    "uniformity",
    "alignment",
)
COHORT = make_cohort([make_member(f"{s}", lr=0.1, seed=s, kind="infonce") for s in (1, 2, 3)])


def evaluation(settings: DataSettings = DIGITS, data: ImageData = DATA) -> ImageEvaluation:
    return ImageEvaluation.of(data, settings, CollapseSettings())


def stack(dtype: torch.dtype = torch.float32, cohort: Cohort = COHORT) -> Stack:
    return Stack(cohort, DATA.to(CPU, dtype), CPU, dtype)


def test_the_evaluation_images_are_all_test_images_as_they_are() -> None:
    assert torch.equal(evaluation().images.images_NF, DATA.test_images_NCHW.flatten(1))


def test_the_partner_views_are_fixed_by_the_split_seed() -> None:
    torch.manual_seed(5)
    assert torch.equal(evaluation().images.partner_NF, evaluation().images.partner_NF)
    other = DIGITS.model_copy(update={"split_seed": 1})
    assert not torch.equal(evaluation(other).images.partner_NF, evaluation().images.partner_NF)


def test_without_augmentation_the_partner_is_the_image() -> None:
    off = AugmentSettings(shift_pixels=0, scale=0, intensity=0, noise_std=0)
    fixed = evaluation(DIGITS.model_copy(update={"augment": off}))
    assert (fixed.images.partner_NF - fixed.images.images_NF).abs().max() < 1e-5


def test_readings_are_what_the_instruments_say_of_each_member() -> None:
    fixed, members = evaluation(), stack()
    _, projections_MND = members.embed(fixed.images.images_NF)
    _, partners_MND = members.embed(fixed.images.partner_NF)
    for m, reading in enumerate(fixed.read(members)):
        alone = measure(projections_MND[m], partners_MND[m])
        assert reading.is_finite
        assert reading.score == alone.effective_rank.item()
        assert reading.values == {name: getattr(alone, name).item() for name in MEASURES}
        assert list(reading.spectrum) == alone.spectrum_K.tolist()


@pytest.mark.parametrize("poison", [torch.nan, torch.inf])
def test_a_member_without_finite_embeddings_reads_as_such_and_alone(poison: float) -> None:
    fixed, sound, poisoned = evaluation(), stack(), stack()
    poisoned.parameters["head.0.bias"][1, 0, 3] = poison
    readings = fixed.read(poisoned)
    assert [reading.is_finite for reading in readings] == [True, False, True]
    assert readings[1].values == {}
    assert readings[1].spectrum == ()
    assert [readings[0], readings[2]] == [fixed.read(sound)[0], fixed.read(sound)[2]]


def test_knn_accuracies_are_those_of_the_encoder_features() -> None:
    fixed, members = evaluation(), stack()
    train_MNF, _ = members.embed(DATA.train_images_NCHW.flatten(1))
    test_MNF, _ = members.embed(fixed.images.images_NF)
    expected = [
        {"knn_accuracy": float(knn_accuracy(train, DATA.train_labels_N, test, DATA.test_labels_N))}
        for train, test in zip(train_MNF, test_MNF, strict=True)
    ]
    assert fixed.qualities(members) == expected
    assert all(found["knn_accuracy"] > 0.8 for found in expected), (
        "random features tell digits apart"
    )


def test_a_member_without_finite_features_has_no_accuracy() -> None:
    fixed, members = evaluation(), stack()
    members.parameters["encoder.0.bias"][0] = torch.nan
    accuracies = [found["knn_accuracy"] for found in fixed.qualities(members)]
    assert accuracies[0] == 0.0
    assert min(accuracies[1:]) > 0.8


def test_float64_embeddings_beyond_float32_are_still_measured() -> None:
    def blow_up(rows: Tensor) -> None:
        rows.mul_(1e60)

    data = DATA.to(CPU, torch.float64)
    members = stack(torch.float64)
    before = evaluation(data=data).read(members)
    for name in ("head.0.weight", "head.0.bias"):
        blow_up(members.parameters[name])
    after = evaluation(data=data).read(members)
    for small, large in zip(before, after, strict=True):
        assert large.score == pytest.approx(small.score, rel=1e-9)
