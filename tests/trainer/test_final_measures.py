"""What is measured of a member that ends: by hand from its embeddings, alone, never of test labels.

Shape legend: N = training images, P = test images, F = features, D = projections.
"""

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from tests.trainer.cohorts import (
    CPU,
    DIGITS,
    make_cohort,
    make_member,
    train_by_trial,
)
from trainer.alignment import linear_cka
from trainer.cohort import Cohort, Member
from trainer.data.images import load_images
from trainer.few_shot import few_shot_accuracy
from trainer.final_measures import measure_ends
from trainer.image_set import ImageSet
from trainer.probes import knn_accuracy, linear_probe_accuracy, nccc_accuracy
from trainer.settings import EvaluateSettings
from trainer.stack import Stack
from trainer.variability import cdnv

DATA = load_images(DIGITS)
EVERYTHING = EvaluateSettings(
    linear_probe=True, nccc=True, few_shot=3, cdnv=True, projection=True, train_images=300
)
OF_FEATURES = {"knn_accuracy", "probe_accuracy", "nccc_accuracy", "few_shot_accuracy"}
ALL = OF_FEATURES | {f"{name}_projection" for name in OF_FEATURES}
ALL |= {"cdnv_features", "cdnv_projections"}
MEMBERS = [make_member(f"{s}", lr=0.1, seed=s, kind="infonce") for s in (1, 2)]


def evaluation(settings: EvaluateSettings = EVERYTHING) -> ImageSet:
    return ImageSet.of(DATA, DIGITS, settings)


def stack(members: list[Member] = MEMBERS) -> Stack:
    return Stack(make_cohort(members), DATA, CPU, torch.float32)


def test_the_numbers_are_those_of_the_embeddings_without_augmentation() -> None:
    fixed, members = evaluation(), stack()
    spaces = zip(members.embed(fixed.fitting_NF), members.embed(fixed.images_NF), strict=True)
    expected: dict[str, Tensor] = {}
    for (train, test), suffix in zip(spaces, ("", "_projection"), strict=True):
        given = (train[1], fixed.fitting_labels_N, test[1], DATA.test_labels_N)
        expected |= {
            f"knn_accuracy{suffix}": knn_accuracy(*given),
            f"probe_accuracy{suffix}": linear_probe_accuracy(*given),
            f"nccc_accuracy{suffix}": nccc_accuracy(*given),
            f"few_shot_accuracy{suffix}": few_shot_accuracy(*given, shots=3, seed=0),
            f"cdnv_{'projections' if suffix else 'features'}": cdnv(test[1], DATA.test_labels_N),
        }
    found = measure_ends(fixed, members, [False, True])
    assert found[0] == {}
    assert found[1] == {name: float(value) for name, value in expected.items()}
    assert found[1].keys() == ALL
    assert found[1]["probe_accuracy"] > 0.8, "random features tell digits apart"


def test_by_default_knn_alone_is_measured() -> None:
    found = measure_ends(evaluation(EvaluateSettings()), stack(), [True, True])
    assert [measures.keys() for measures in found] == [{"knn_accuracy"}] * 2


def test_probes_are_fitted_on_so_many_training_images_and_the_same_for_all() -> None:
    fixed = evaluation()
    assert len(fixed.fitting_NF) == len(fixed.fitting_labels_N) == 300
    rows = {tuple(row) for row in DATA.train_images_NCHW.flatten(1).tolist()}
    assert all(tuple(row) in rows for row in fixed.fitting_NF.tolist())
    assert torch.equal(fixed.fitting_NF, evaluation().fitting_NF)
    small = evaluation(EvaluateSettings())
    assert torch.equal(small.fitting_NF, DATA.train_images_NCHW.flatten(1)), "all, in their order"


def test_test_labels_enter_no_fit() -> None:
    fixed, members = evaluation(), stack()
    wrong = replace(DATA, test_labels_N=(DATA.test_labels_N + 1) % 10)
    (found,) = measure_ends(replace(fixed, data=wrong), members, [True, False])[:1]
    # A probe that had seen these labels would follow them; one that has not is wrong almost always.
    assert max(value for name, value in found.items() if "accuracy" in name) < 0.2


def test_a_member_without_finite_features_has_no_measures_of_them() -> None:
    members = stack()
    members.parameters["encoder.0.bias"][0] = torch.nan
    first, second = measure_ends(evaluation(), members, [True, True])
    assert first == {"knn_accuracy": 0.0}
    assert second.keys() == ALL


def test_class_centres_that_coincide_leave_no_variability() -> None:
    members = stack()
    for name in ("weight", "bias"):
        members.parameters[f"head.0.{name}"][0] = 0.0
    found = measure_ends(evaluation(), members, [True, False])[0]
    assert "cdnv_projections" not in found
    assert all(math.isfinite(value) for value in found.values())


def coupled(kind: str, replicate: int) -> Member:
    of = {"couple": "a", "is_reference": kind == "cl", "unshared": f"cl-{1 - replicate}"}
    member = make_member(f"{kind}-{replicate}", lr=0.1, seed=replicate + 1, kind=kind)
    return member.model_copy(update={**of, "replicate": replicate})


def couple() -> Cohort:
    pairs = [("cl", 0), ("cl", 1), ("nscl", 0), ("nscl", 1)]
    return make_cohort([coupled(kind, replicate) for kind, replicate in pairs])


def test_couples_are_compared_on_training_images_and_with_another_replicate() -> None:
    cohort, fixed = couple(), evaluation(EvaluateSettings())
    members = Stack(cohort, DATA, CPU, torch.float32)
    names = [member.trial for member in members.members]
    found = dict(zip(names, measure_ends(fixed, members, [True] * 4), strict=True))
    assert "cka_features_train" not in found["cl-0"], "the reference itself"
    assert found["nscl-0"]["cka_features_train"] == pytest.approx(1.0), "equal at initialisation"
    features, projections = members.embed(fixed.images_NF)
    own, other = names.index("nscl-0"), names.index("cl-1")
    for stack_MND, name in ((features, "features"), (projections, "projections")):
        expected = float(linear_cka(stack_MND[own], stack_MND[other]))
        assert found["nscl-0"][f"cka_{name}_unshared"] == expected < 0.99


def test_a_trial_ends_with_all_that_was_asked_and_alone_with_the_same_bits() -> None:
    cohort = make_cohort(MEMBERS).model_copy(update={"evaluate": EVERYTHING})
    together = train_by_trial(cohort)
    assert together["1"].measures.keys() > ALL
    alone = train_by_trial(cohort.model_copy(update={"members": cohort.members[1:]}))
    assert alone["2"] == together["2"]


def test_unshared_members_agree_less_than_those_of_one_replicate() -> None:
    outcomes = train_by_trial(couple())
    shared, unshared = (outcomes["nscl-0"].measures[f"cka_features{s}"] for s in ("", "_unshared"))
    assert shared > unshared
    control = outcomes["cl-0"].measures["cka_features_unshared"]
    assert control == pytest.approx(outcomes["cl-1"].measures["cka_features_unshared"])
