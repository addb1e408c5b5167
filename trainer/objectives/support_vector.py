"""StaticSVR and DynamicSVR: a base objective regularised by support vectors.

Shape legend: M = members, B = pairs, D = embedding dim, R = radii of a member (1 for both sides
together, 2 for one each), S = 2 sides.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, Self

import torch
from torch import Tensor

from trainer.errors import NoLikenessError
from trainer.losses.radius import (
    Predictor,
    init_predictor,
    predict_radius,
    radius_of_similarities,
    radius_penalty,
)
from trainer.losses.svr import Support, support_vectors
from trainer.objective_settings import DynamicSVRSettings, StaticSVRSettings, SVRSettings
from trainer.objectives.protocol import ObjectiveBatch, ObjectiveContext
from trainer.objectives.scoring import Scoring, bind_scoring
from trainer.objectives.stack import (
    MemberStack,
    apply_one_by_one,
    member_scalars,
    select_rows,
    unit_views,
)

Sides = Literal["uni", "bi"]


@dataclass(frozen=True, slots=True)
class Regularized(MemberStack, ABC):
    """A base objective, and the weights and switches of its regularisation.

    See :mod:`trainer.losses.svr`. ``is_penalized`` is False where every beta is 0: L_cons is not
    taken then, which changes no bit.
    """

    alpha_M: Tensor
    beta_M: Tensor
    scoring: Scoring
    sides: Sides
    support: Support
    is_penalized: bool

    def select(self, keep: Sequence[int]) -> Self:
        """Return the objective of the members at these positions, in this order."""
        return replace(select_rows(self, keep), scoring=self.scoring.select(keep))

    @abstractmethod
    def radii(
        self,
        parameters: Mapping[str, Tensor],
        x_MBD: Tensor,
        y_MBD: Tensor,
        likeness_MSBB: Tensor | None,
    ) -> tuple[Tensor, Tensor | None]:
        """Return R of the anchors x and of the anchors y, each (M, B) or (M, 1).

        Args:
            parameters: The objective's, as trained so far.
            x_MBD: First views, unit rows.
            y_MBD: Second views, unit rows.
            likeness_MSBB: As the batch has it.

        Returns:
            Both; None for y where only x has support vectors.
        """

    def __call__(self, parameters: Mapping[str, Tensor], batch: ObjectiveBatch) -> Tensor:
        """Return the loss of each member, shape (M,)."""
        views = unit_views(batch)
        radii = self.radii(parameters, *views, batch.likeness_MSBB)
        return self.total(parameters, views, *radii)

    def total(
        self,
        parameters: Mapping[str, Tensor],
        views: tuple[Tensor, Tensor],
        radius_x_MB: Tensor,
        radius_y_MB: Tensor | None,
    ) -> Tensor:
        """Return L_base + alpha L_svr + beta L_cons of each member, shape (M,)."""
        # Both sides in one call: a small batch's time is the number of kernels, not their work.
        radii = [radius for radius in (radius_x_MB, radius_y_MB) if radius is not None]
        anchors_SMBD = torch.stack(views[: len(radii)])
        partners_SMBD = torch.stack(views[::-1][: len(radii)])
        radius_SMB = torch.stack(radii)
        supports_SMBD = support_vectors(anchors_SMBD, partners_SMBD, radius_SMB, self.support)
        term_M = self.scoring.term(parameters)(supports_SMBD, partners_SMBD).sum(0)
        total_M = self.scoring.base(parameters)(*views) + self.alpha_M * term_M
        if not self.is_penalized:
            return total_M
        penalty_M = radius_penalty(anchors_SMBD, partners_SMBD, radius_SMB).sum(0)
        return total_M + self.beta_M * penalty_M


@dataclass(frozen=True, slots=True)
class StaticSVR(Regularized):
    """One radius for all anchors, learned or fixed, shared by the sides or one each.

    With ``is_at_positive`` an anchor's radius is the distance of its positive instead, not
    differentiated: nothing perpendicular to the pull is left of L_svr's gradient.
    """

    initial_radius_MR: Tensor
    is_radius_learnable: bool
    is_at_positive: bool

    def init_parameters(self) -> dict[str, Tensor]:
        """Return ``radius`` (M, R) if it is learned, and what the base learns."""
        own = {"radius": self.initial_radius_MR.clone()} if self.is_radius_learnable else {}
        return own | self.scoring.init_parameters()

    def radii(
        self,
        parameters: Mapping[str, Tensor],
        x_MBD: Tensor,
        y_MBD: Tensor,
        likeness_MSBB: Tensor | None,
    ) -> tuple[Tensor, Tensor | None]:
        """Return R of the sides, each (M, 1); (M, B) with ``is_at_positive``."""
        del likeness_MSBB
        if self.is_at_positive:
            distance_MB = torch.linalg.vector_norm((y_MBD - x_MBD).detach(), dim=-1)
            return distance_MB, distance_MB if self.sides == "bi" else None
        radius_MR = parameters.get("radius", self.initial_radius_MR)
        return radius_MR[:, :1], radius_MR[:, -1:] if self.sides == "bi" else None


@dataclass(frozen=True, slots=True)
class DynamicSVR(Regularized):
    """A predictor per side gives every anchor its own radius from the batch's similarities.

    With ``is_offline`` those of frozen features, each side's with itself. They are divided by the
    temperature too, so that predictors of both kinds start alike.
    """

    initial_radius_M: Tensor
    seeds_M: Tensor
    batch_size: int
    is_offline: bool

    def init_parameters(self) -> dict[str, Tensor]:
        """Return both predictors, named ``x.weight_1``, ..., and what the base learns."""
        drawn = [
            dict(self._draw(int(seed), radius))
            for seed, radius in zip(self.seeds_M, self.initial_radius_M, strict=True)
        ]
        own = {
            name: torch.stack([one[name] for one in drawn]).to(self.initial_radius_M)
            for name in drawn[0]
        }
        return own | self.scoring.init_parameters()

    def radii(
        self,
        parameters: Mapping[str, Tensor],
        x_MBD: Tensor,
        y_MBD: Tensor,
        likeness_MSBB: Tensor | None,
    ) -> tuple[Tensor, Tensor | None]:
        """Return R of every anchor, (M, B) a side.

        Raises:
            PredictorWidthError: If the batch has another size than the predictors.
            NoLikenessError: If they take frozen features, and the batch comes without.
        """
        tau_M = self.scoring.temperature(parameters).detach()
        if self.is_offline:
            return self._radii_offline(parameters, tau_M, likeness_MSBB)
        radius_x_MB = predict("x", x_MBD, y_MBD, tau_M, parameters)
        if self.sides == "uni":
            return radius_x_MB, None
        return radius_x_MB, predict("y", y_MBD, x_MBD, tau_M, parameters)

    def _radii_offline(
        self, parameters: Mapping[str, Tensor], tau_M: Tensor, likeness_MSBB: Tensor | None
    ) -> tuple[Tensor, Tensor | None]:
        if likeness_MSBB is None:
            raise NoLikenessError(
                "objective.similarities: offline needs the frozen features of clips and captions, "
                "which images have not; choose online"
            )
        likeness_MSBB = likeness_MSBB.to(tau_M.dtype) / tau_M[:, None, None, None]
        radius_x_MB = predict_offline("x", likeness_MSBB[:, 0], parameters)
        if self.sides == "uni":
            return radius_x_MB, None
        return radius_x_MB, predict_offline("y", likeness_MSBB[:, 1], parameters)

    def _draw(self, seed: int, radius: Tensor) -> Iterator[tuple[str, Tensor]]:
        """Yield one member's predictors; the last bias is the radius they start from."""
        generator = torch.Generator().manual_seed(seed)
        for side in ("x", "y") if self.sides == "bi" else ("x",):
            predictor = init_predictor(self.batch_size, generator)
            predictor = predictor._replace(bias_3=radius.reshape(1).cpu())
            for name, value in predictor._asdict().items():
                yield f"{side}.{name}", value


def predict(
    side: str,
    anchors_MBD: Tensor,
    partners_MBD: Tensor,
    temperature_M: Tensor,
    parameters: Mapping[str, Tensor],
) -> Tensor:
    """Return the radius of every anchor of one side, shape (M, B).

    Members are taken one by one: a batched product with a single output column (the last layer)
    has other bits than that of a member alone.
    """

    def predict_one(anchors: Tensor, partners: Tensor, tau: Tensor, *values: Tensor) -> Tensor:
        return predict_radius(anchors, partners, tau, Predictor(*values))

    values = (parameters[f"{side}.{name}"] for name in Predictor._fields)
    return apply_one_by_one(predict_one, anchors_MBD, partners_MBD, temperature_M, *values)


def predict_offline(
    side: str, similarities_MBB: Tensor, parameters: Mapping[str, Tensor]
) -> Tensor:
    """Return the radius of every anchor of one side, (M, B), from similarities known already."""

    def predict_one(similarities: Tensor, *values: Tensor) -> Tensor:
        return radius_of_similarities(similarities, Predictor(*values))

    values = (parameters[f"{side}.{name}"] for name in Predictor._fields)
    return apply_one_by_one(predict_one, similarities_MBB, *values)


def bind_static_svr(members: Sequence[StaticSVRSettings], context: ObjectiveContext) -> StaticSVR:
    """Return StaticSVR with the members' scalars, on their common base."""
    radius_M1 = member_scalars((m.radius for m in members), context)[:, None]
    is_one_each = members[0].radius_mode == "per_direction" and members[0].sides == "bi"
    return StaticSVR(
        alpha_M=member_scalars((m.alpha for m in members), context),
        beta_M=member_scalars((m.beta for m in members), context),
        scoring=bind_scoring(members, context),
        sides=members[0].sides,
        support=support_of(members[0]),
        is_penalized=any(m.beta > 0 for m in members),
        initial_radius_MR=radius_M1.repeat(1, 2) if is_one_each else radius_M1,
        is_radius_learnable=members[0].radius_mode in ("learnable", "per_direction"),
        is_at_positive=members[0].radius_mode == "distance",
    )


def bind_dynamic_svr(
    members: Sequence[DynamicSVRSettings], context: ObjectiveContext
) -> DynamicSVR:
    """Return DynamicSVR with the members' scalars, on their common base."""
    return DynamicSVR(
        alpha_M=member_scalars((m.alpha for m in members), context),
        beta_M=member_scalars((m.beta for m in members), context),
        scoring=bind_scoring(members, context),
        sides=members[0].sides,
        support=support_of(members[0]),
        is_penalized=any(m.beta > 0 for m in members),
        initial_radius_M=member_scalars((m.radius for m in members), context),
        seeds_M=torch.tensor(context.seeds),
        batch_size=context.batch_size,
        is_offline=members[0].similarities == "offline",
    )


def support_of(settings: SVRSettings) -> Support:
    """Return how support vectors are formed."""
    return Support(is_normalized=settings.normalize_sup, is_direction_detached=settings.detach_u)
