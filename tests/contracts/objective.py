"""What every objective must do, whatever its formula: a suite that each kind inherits.

Shape legend: M = members, B = pairs, D = embedding dim.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

import pytest
import torch
from pydantic import TypeAdapter
from torch import Tensor
from torch.nn.functional import normalize
from torch.testing import assert_close

from trainer.errors import NoLikenessError
from trainer.objective import (
    Objective,
    ObjectiveBatch,
    ObjectiveContext,
    build_objective,
    structure,
    uses_labels,
    uses_likeness,
)
from trainer.objective_settings import ObjectiveSettings

CLASSES = 3
MEMBERS = 3
SIZES = [(5, 3), (33, 7), (65, 31), (256, 32), (257, 5)]
SETTINGS: TypeAdapter[ObjectiveSettings] = TypeAdapter(ObjectiveSettings)


def read_settings(**fields: object) -> ObjectiveSettings:
    """Read one member's settings the way a study does."""
    return SETTINGS.validate_python(fields)


def context_for(batch: ObjectiveBatch) -> ObjectiveContext:
    """Return the context of a batch; seeds are 0, 1, 2, ..."""
    members, rows, dim = batch.views_MND.shape
    return ObjectiveContext(
        batch_size=rows // 2,
        embed_dim=dim,
        class_count=CLASSES,
        seeds=tuple(range(members)),
        device=batch.views_MND.device,
        dtype=batch.views_MND.dtype,
    )


def random_batch(
    pairs: int, dim: int, seed: int = 0, dtype: torch.dtype = torch.float64
) -> ObjectiveBatch:
    """Return correlated random views of MEMBERS members, three classes, two thirds labelled.

    The likeness of their frozen features has nothing to do with the views.
    """
    generator = torch.Generator().manual_seed(seed)
    x_MBD = torch.randn(MEMBERS, pairs, dim, generator=generator, dtype=torch.float64)
    noise_MBD = torch.randn(MEMBERS, pairs, dim, generator=generator, dtype=torch.float64)
    labels_B = torch.arange(pairs) % CLASSES
    frozen_MSBD = torch.randn(MEMBERS, 2, pairs, dim, generator=generator, dtype=torch.float64)
    frozen_MSBD = normalize(frozen_MSBD, dim=-1)
    return ObjectiveBatch(
        torch.cat([x_MBD, x_MBD + noise_MBD], dim=1).to(dtype),
        labels_B.expand(MEMBERS, -1),
        (torch.arange(pairs) % 3 != 2).expand(MEMBERS, -1),
        likeness_MSBB=(frozen_MSBD @ frozen_MSBD.mT).to(dtype),
    )


def take_members(batch: ObjectiveBatch, keep: list[int]) -> ObjectiveBatch:
    """Return the batch of a few members only."""
    assert batch.likeness_MSBB is not None
    return ObjectiveBatch(
        batch.views_MND[keep],
        batch.labels_MB[keep],
        batch.labelled_MB[keep],
        likeness_MSBB=batch.likeness_MSBB[keep],
    )


def with_views(batch: ObjectiveBatch, x_MBD: Tensor, y_MBD: Tensor) -> ObjectiveBatch:
    """Return the batch with other projections."""
    return replace(batch, views_MND=torch.cat([x_MBD, y_MBD], dim=1))


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Losses of a stack and their gradients, by name; every tensor has one row per member."""

    losses_M: Tensor
    gradients: Mapping[str, Tensor]

    def rows(self, keep: list[int]) -> "Evaluation":
        """Return what a few members see of it."""
        return Evaluation(
            self.losses_M[keep], {name: rows[keep] for name, rows in self.gradients.items()}
        )

    def is_bit_equal(self, other: "Evaluation") -> bool:
        """Whether both hold the same numbers to the last bit."""
        return torch.equal(self.losses_M, other.losses_M) and all(
            torch.equal(rows, other.gradients[name]) for name, rows in self.gradients.items()
        )

    def is_finite(self) -> bool:
        """Whether no number in it is NaN or infinite."""
        return all(bool(t.isfinite().all()) for t in (self.losses_M, *self.gradients.values()))


def evaluate(
    objective: Objective, batch: ObjectiveBatch, parameters: Mapping[str, Tensor] | None = None
) -> Evaluation:
    """Return losses and gradients with respect to both views and the objective's parameters."""
    given = objective.init_parameters() if parameters is None else parameters
    leaves = {name: value.detach().clone().requires_grad_() for name, value in given.items()}
    x_MBD, y_MBD = (view.detach().clone().requires_grad_() for view in batch.pair)
    losses_M = objective(leaves, with_views(batch, x_MBD, y_MBD))
    named = {"x": x_MBD, "y": y_MBD, **leaves}
    gradients = torch.autograd.grad(losses_M.sum(), list(named.values()), materialize_grads=True)
    return Evaluation(losses_M.detach(), dict(zip(named, gradients, strict=True)))


def degenerate_batches() -> dict[str, ObjectiveBatch]:
    """Return the batches that break careless losses, by name."""
    batch = random_batch(6, 4)
    x_MBD, y_MBD = batch.pair
    same_MBD = x_MBD[:, :1].expand_as(x_MBD)
    some_zero_MBD = x_MBD * (torch.arange(6) != 0)[:, None]
    zeros_MBD = torch.zeros_like(x_MBD)
    return {
        "one pair": random_batch(1, 4),
        "all rows equal": with_views(batch, same_MBD, same_MBD),
        "all labels equal": replace(batch, labels_MB=torch.zeros_like(batch.labels_MB)),
        "no sample labelled": replace(batch, labelled_MB=torch.zeros_like(batch.labelled_MB)),
        "antipodal views": with_views(batch, x_MBD, -x_MBD),
        "a zero row": with_views(batch, some_zero_MBD, y_MBD),
        "all rows zero": with_views(batch, zeros_MBD, zeros_MBD),
    }


DEGENERATE = degenerate_batches()


class ObjectiveContract:
    """Inherit, set ``members`` (three that differ in scalars), and adjust the claims below."""

    members: ClassVar[tuple[ObjectiveSettings, ObjectiveSettings, ObjectiveSettings]]
    is_blind_to_row_order: ClassVar[bool] = True
    is_blind_to_row_scale: ClassVar[bool] = True
    has_plain_gradient: ClassVar[bool] = True
    """False where the definition cuts the graph (detach), so that no function has the gradient."""
    knows_its_gradient_in: ClassVar[frozenset[torch.dtype]] = frozenset()
    """Where ``differentiate`` answers for these members; elsewhere autograd is asked."""
    refuses: ClassVar[Mapping[str, type[Exception]]] = {}
    """Degenerate batches that the definition cannot answer, and the error they raise."""

    def build(self, batch: ObjectiveBatch) -> Objective:
        """Return the stacked objective of all members for batches like this one."""
        return build_objective(self.members, context_for(batch))

    def build_alone(self, batch: ObjectiveBatch, member: int) -> Objective:
        """Return the objective of one member, made as if the others did not exist."""
        context = replace(context_for(batch), seeds=(member,))
        return build_objective([self.members[member]], context)

    def test_members_share_one_structure_and_survive_json(self) -> None:
        assert len({structure(member) for member in self.members}) == 1
        for member in self.members:
            assert SETTINGS.validate_json(member.model_dump_json(by_alias=True)) == member

    def test_gives_one_finite_loss_per_member(self) -> None:
        batch = random_batch(12, 4)
        evaluation = evaluate(self.build(batch), batch)
        assert evaluation.losses_M.shape == (MEMBERS,)
        assert evaluation.is_finite()
        assert any(rows.any() for rows in evaluation.gradients.values())

    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
    @pytest.mark.parametrize(("pairs", "dim"), SIZES)
    def test_a_member_has_the_same_bits_alone_and_in_a_stack(
        self, pairs: int, dim: int, dtype: torch.dtype
    ) -> None:
        batch = random_batch(pairs, dim, dtype=dtype)
        stacked = evaluate(self.build(batch), batch)
        for member in range(MEMBERS):
            alone = evaluate(self.build_alone(batch, member), take_members(batch, [member]))
            assert alone.is_bit_equal(stacked.rows([member]))

    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
    @pytest.mark.parametrize(("pairs", "dim"), SIZES)
    def test_a_gradient_by_hand_has_the_bits_of_autograd(
        self, pairs: int, dim: int, dtype: torch.dtype
    ) -> None:
        batch = random_batch(pairs, dim, dtype=dtype)
        objective = self.build(batch)
        found = objective.differentiate(batch)
        assert (found is not None) == (dtype in self.knows_its_gradient_in)
        if found is None:
            return
        losses_M, pull_MND = found
        expected = evaluate(objective, batch)
        x_MBD, y_MBD = pull_MND.chunk(2, dim=1)
        assert Evaluation(losses_M, {"x": x_MBD, "y": y_MBD}).is_bit_equal(expected)

    def test_labels_are_missed_by_those_only_that_say_they_use_them(self) -> None:
        batch = random_batch(12, 5)
        nobody_MB = batch.labels_MB[:, :0]
        none = replace(batch, labels_MB=nobody_MB, labelled_MB=nobody_MB.bool())
        objective = self.build(batch)
        if uses_labels(self.members[0]):
            with pytest.raises((RuntimeError, ValueError, IndexError)):
                evaluate(objective, none)
        else:
            assert evaluate(objective, none).is_bit_equal(evaluate(objective, batch))

    def test_frozen_features_are_missed_by_those_only_that_say_they_use_them(self) -> None:
        batch = random_batch(12, 5)
        none = replace(batch, likeness_MSBB=None)
        objective = self.build(batch)
        if uses_likeness(self.members[0]):
            with pytest.raises(NoLikenessError, match="needs the frozen features of clips"):
                evaluate(objective, none)
        else:
            assert evaluate(objective, none).is_bit_equal(evaluate(objective, batch))

    def test_selected_members_keep_their_bits(self) -> None:
        batch = random_batch(9, 4)
        objective, keep = self.build(batch), [2, 0]
        parameters = objective.init_parameters()
        selected = evaluate(
            objective.select(keep),
            take_members(batch, keep),
            {name: value[keep] for name, value in parameters.items()},
        )
        assert selected.is_bit_equal(evaluate(objective, batch, parameters).rows(keep))

    def test_parameters_start_from_the_seed_alone(self) -> None:
        batch = random_batch(9, 4)
        stacked = self.build(batch).init_parameters()
        for member in range(MEMBERS):
            alone = self.build_alone(batch, member).init_parameters()
            assert alone.keys() == stacked.keys()
            for name, value in stacked.items():
                assert value.shape[0] == MEMBERS
                assert torch.equal(value[member], alone[name][0])

    def test_a_nan_member_leaves_its_neighbours_alone(self) -> None:
        batch = random_batch(9, 4)
        objective = self.build(batch)
        views_MND = batch.views_MND.clone()
        views_MND[1, 3] = torch.nan
        poisoned = evaluate(objective, replace(batch, views_MND=views_MND))
        assert poisoned.losses_M[1].isnan()
        assert poisoned.rows([0, 2]).is_bit_equal(evaluate(objective, batch).rows([0, 2]))

    def test_order_of_the_pairs_is_irrelevant(self) -> None:
        if not self.is_blind_to_row_order:
            pytest.skip("the definition reads the negatives in their order")
        batch = random_batch(12, 5)
        order = torch.randperm(12, generator=torch.Generator().manual_seed(3))
        likeness_MSBB = batch.likeness_MSBB
        assert likeness_MSBB is not None
        shuffled = ObjectiveBatch(
            torch.cat([view_MBD[:, order] for view_MBD in batch.pair], dim=1),
            batch.labels_MB[:, order],
            batch.labelled_MB[:, order],
            likeness_MSBB=likeness_MSBB[:, :, order][..., order],
        )
        objective = self.build(batch)
        ours, theirs = evaluate(objective, shuffled), evaluate(objective, batch)
        assert_close(ours.losses_M, theirs.losses_M, rtol=1e-12, atol=1e-12)
        assert_close(ours.gradients["x"], theirs.gradients["x"][:, order], rtol=1e-9, atol=1e-12)

    def test_length_of_the_projections_is_irrelevant(self) -> None:
        if not self.is_blind_to_row_scale:
            pytest.skip("the definition works on raw projections")
        batch = random_batch(12, 5)
        x_MBD, y_MBD = batch.pair
        longer = with_views(batch, 7.0 * x_MBD, 0.3 * y_MBD)
        objective = self.build(batch)
        assert_close(
            evaluate(objective, longer).losses_M,
            evaluate(objective, batch).losses_M,
            rtol=1e-12,
            atol=1e-12,
        )

    def test_unit_rows_named_as_such_give_the_gradient_before_it_is_normalised(self) -> None:
        if not self.is_blind_to_row_scale:
            pytest.skip("the definition works on raw projections")
        batch = random_batch(12, 5)
        x_MBD, y_MBD = (normalize(view_MBD, dim=-1) for view_MBD in batch.pair)
        unit = with_views(batch, x_MBD, y_MBD)
        objective = self.build(batch)
        taken = evaluate(objective, replace(unit, is_unit=True))
        normalised = evaluate(objective, unit)
        assert_close(taken.losses_M, normalised.losses_M, rtol=1e-12, atol=1e-12)
        for name, rows_MBD in (("x", x_MBD), ("y", y_MBD)):
            ambient = taken.gradients[name]
            along = (ambient * rows_MBD).sum(dim=-1, keepdim=True) * rows_MBD
            assert along.any()
            assert_close(ambient - along, normalised.gradients[name], rtol=1e-9, atol=1e-12)

    def test_gradients_are_those_of_the_value(self) -> None:
        if not self.has_plain_gradient:
            pytest.skip("the definition cuts the graph")
        batch = random_batch(5, 3, seed=1)
        objective = self.build(batch)
        initial = objective.init_parameters()

        def losses(x_MBD: Tensor, y_MBD: Tensor, *values: Tensor) -> Tensor:
            parameters = dict(zip(initial, values, strict=True))
            return objective(parameters, with_views(batch, x_MBD, y_MBD))

        inputs = (*batch.pair, *initial.values())
        leaves = tuple(value.detach().clone().requires_grad_() for value in inputs)
        assert torch.autograd.gradcheck(losses, leaves)

    @pytest.mark.parametrize(
        ("dtype", "tolerance"),
        [(torch.float16, 1e-4), (torch.bfloat16, 1e-4), (torch.float32, 1e-4)],
        ids=str,
    )
    def test_lower_precisions_give_the_loss_of_the_rounded_projections(
        self, dtype: torch.dtype, tolerance: float
    ) -> None:
        batch = random_batch(12, 4, dtype=dtype)
        evaluation = evaluate(self.build(batch), batch)
        exact_batch = replace(batch, views_MND=batch.views_MND.double())
        exact = evaluate(self.build(exact_batch), exact_batch)
        assert evaluation.is_finite()
        assert evaluation.gradients["x"].dtype == dtype
        assert_close(evaluation.losses_M.double(), exact.losses_M, rtol=tolerance, atol=tolerance)

    @pytest.mark.parametrize("what", list(DEGENERATE))
    def test_degenerate_batches_give_finite_losses_or_the_announced_error(self, what: str) -> None:
        batch = DEGENERATE[what]
        objective = self.build(batch)
        if what in self.refuses:
            with pytest.raises(self.refuses[what], match=r"\w+ \w+"):
                evaluate(objective, batch)
        else:
            assert evaluate(objective, batch).is_finite()
