"""The factory: structures, refusals, and the identities that only bound objectives have."""

from dataclasses import replace

import pytest
import torch

from tests.contracts.objective import (
    context_for,
    evaluate,
    random_batch,
    read_settings,
)
from trainer.errors import MixedStructureError, PrototypeCountError, TrainerError
from trainer.objective import build_objective, structure
from trainer.objective_settings import ObjectiveSettings

BATCH = random_batch(9, 5)


def three(**fields: object) -> list[ObjectiveSettings]:
    return [read_settings(**fields)] * 3


def losses(members: list[ObjectiveSettings]) -> torch.Tensor:
    return evaluate(build_objective(members, context_for(BATCH)), BATCH).losses_M


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"kind": "infonce"}, {"kind": "infonce", "temperature": 0.3}),
        ({"kind": "clop"}, {"kind": "clop", "lambda": 0.0, "temperature": 1.0}),
        ({"kind": "clop"}, {"kind": "clop", "prototypes": "random", "label_fraction": 0.1}),
    ],
)
def test_members_that_differ_in_scalars_share_a_structure(
    one: dict[str, object], other: dict[str, object]
) -> None:
    assert structure(read_settings(**one)) == structure(read_settings(**other))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"kind": "infonce"}, {"kind": "nt_xent"}),
        ({"kind": "clop"}, {"kind": "clop", "similarity": "manhattan"}),
        ({"kind": "clop"}, {"kind": "clop", "base": "nt_xent"}),
        ({"kind": "supcon"}, {"kind": "supcon", "variant": "cross_view"}),
    ],
)
def test_members_that_differ_in_formula_are_refused_as_one_stack(
    one: dict[str, object], other: dict[str, object]
) -> None:
    members = [read_settings(**one), read_settings(**one), read_settings(**other)]
    with pytest.raises(MixedStructureError, match=r"one structure, got 2: .*kind"):
        build_objective(members, context_for(BATCH))


def test_an_empty_stack_and_missing_seeds_are_refused() -> None:
    context = context_for(BATCH)
    with pytest.raises(MixedStructureError, match=r"no member at all"):
        build_objective([], context)
    with pytest.raises(MixedStructureError, match=r"2 seeds for 3 members"):
        build_objective(three(kind="infonce"), replace(context, seeds=(0, 1)))


@pytest.mark.parametrize("base", ["infonce", "nt_xent"])
def test_clop_with_lambda_zero_is_its_base_to_the_last_bit(base: str) -> None:
    clop = three(kind="clop", base=base, temperature=0.2, **{"lambda": 0.0})
    assert torch.equal(losses(clop), losses(three(kind=base, temperature=0.2)))


def test_clop_refuses_more_classes_than_dimensions_and_names_both() -> None:
    narrow = replace(context_for(BATCH), class_count=10)
    with pytest.raises(TrainerError, match=r"10 orthonormal .* at least 10, but it is 5") as caught:
        build_objective(three(kind="clop"), narrow)
    assert caught.type is PrototypeCountError
    assert build_objective(three(kind="clop", prototypes="random"), narrow).init_parameters() == {}


def test_replicates_have_prototypes_of_their_own_and_equal_seeds_share_them() -> None:
    same_views = replace(
        BATCH,
        x_MBD=BATCH.x_MBD[:1].expand(3, -1, -1),
        y_MBD=BATCH.y_MBD[:1].expand(3, -1, -1),
    )
    context = replace(context_for(BATCH), seeds=(0, 1, 0))
    loss = evaluate(build_objective(three(kind="clop"), context), same_views).losses_M
    assert loss[0] == loss[2] != loss[1]


def test_a_degraded_prototype_at_angle_zero_is_an_orthonormal_one() -> None:
    degraded = three(kind="clop", prototypes="degraded", degrade_angle_degrees=0.0)
    assert torch.equal(losses(degraded), losses(three(kind="clop")))
