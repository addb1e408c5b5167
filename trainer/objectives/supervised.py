"""Objectives that use the labels of samples: SupCon, NSCL, cross-entropy, focal.

Shape legend: M = members, B = pairs, D = embedding dim, K = classes.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal, assert_never

import torch
from torch import Tensor

from trainer.losses.cross_entropy import cross_entropy
from trainer.losses.decoupled import nscl
from trainer.losses.focal import Normalizer, asymmetric_focal
from trainer.losses.rows import pad_columns
from trainer.losses.supcon import supcon, supcon_cross_view
from trainer.objective_settings import (
    CrossEntropySettings,
    FocalSettings,
    NSCLSettings,
    SupConSettings,
)
from trainer.objectives.protocol import ObjectiveBatch, ObjectiveContext
from trainer.objectives.stack import (
    MemberStack,
    apply_in_cache,
    draw_per_member,
    member_scalars,
    unit_views,
)


@dataclass(frozen=True, slots=True)
class SupCon(MemberStack):
    """SupCon on normalised projections; see :mod:`trainer.losses.supcon`."""

    temperature_M: Tensor
    variant: Literal["out", "cross_view"]

    def __call__(self, parameters: Mapping[str, Tensor], batch: ObjectiveBatch) -> Tensor:
        """Return the loss of each member, shape (M,)."""
        del parameters
        arguments = *unit_views(batch), _known_labels(batch), self.temperature_M
        match self.variant:
            case "out":
                return supcon(*arguments)
            case "cross_view":
                return apply_in_cache(supcon_cross_view, *arguments)
            case _:
                assert_never(self.variant)


def _known_labels(batch: ObjectiveBatch) -> Tensor:
    """Return labels (M, B) in which every sample without a label is a class of its own."""
    own_B = -1 - torch.arange(batch.labels_MB.shape[-1], device=batch.labels_MB.device)
    return torch.where(batch.labelled_MB, batch.labels_MB, own_B)


@dataclass(frozen=True, slots=True)
class NSCL(MemberStack):
    """NSCL on normalised projections; see :func:`trainer.losses.decoupled.nscl`."""

    temperature_M: Tensor
    positive_in_denominator: bool

    def __call__(self, parameters: Mapping[str, Tensor], batch: ObjectiveBatch) -> Tensor:
        """Return the loss of each member, shape (M,).

        Raises:
            NoNegativeError: If all labels of the batch are equal.
        """
        del parameters
        loss = partial(nscl, positive_in_denominator=self.positive_in_denominator)
        return apply_in_cache(loss, *unit_views(batch), batch.labels_MB, self.temperature_M)


@dataclass(frozen=True, slots=True)
class CrossEntropy(MemberStack):
    """Cross-entropy of a learnable linear layer on the normalised projections.

    See :func:`trainer.losses.cross_entropy.cross_entropy`.
    """

    initial_weight_MKD: Tensor

    def init_parameters(self) -> dict[str, Tensor]:
        """Return ``weight`` (M, K, D), uniform within 1 / sqrt(D), and a zero ``bias`` (M, K)."""
        weight_MKD = self.initial_weight_MKD
        return {"weight": weight_MKD.clone(), "bias": torch.zeros_like(weight_MKD[..., 0])}

    def __call__(self, parameters: Mapping[str, Tensor], batch: ObjectiveBatch) -> Tensor:
        """Return the loss of each member, shape (M,)."""
        return cross_entropy(
            *unit_views(batch),
            batch.labels_MB,
            pad_columns(parameters["weight"]),
            parameters["bias"],
        )


@dataclass(frozen=True, slots=True)
class Focal(MemberStack):
    """Asymmetric focal contrastive loss; see :func:`trainer.losses.focal.asymmetric_focal`."""

    temperature_M: Tensor
    gamma_M: Tensor
    eta_M: Tensor
    normalizer: Normalizer

    def __call__(self, parameters: Mapping[str, Tensor], batch: ObjectiveBatch) -> Tensor:
        """Return the loss of each member, shape (M,)."""
        del parameters
        loss = partial(asymmetric_focal, normalizer=self.normalizer)
        scalars = self.temperature_M, self.gamma_M, self.eta_M
        return apply_in_cache(loss, *unit_views(batch), batch.labels_MB, *scalars)


def bind_supcon(members: Sequence[SupConSettings], context: ObjectiveContext) -> SupCon:
    """Return SupCon with the members' temperatures and their common variant."""
    return SupCon(member_scalars((m.temperature for m in members), context), members[0].variant)


def bind_nscl(members: Sequence[NSCLSettings], context: ObjectiveContext) -> NSCL:
    """Return NSCL with the members' temperatures and their common denominator."""
    return NSCL(
        member_scalars((m.temperature for m in members), context),
        members[0].positive_in_denominator,
    )


def bind_cross_entropy(
    members: Sequence[CrossEntropySettings], context: ObjectiveContext
) -> CrossEntropy:
    """Return cross-entropy, the layer of each member drawn from its seed."""
    del members
    return CrossEntropy(draw_per_member(lambda _, seed: draw_linear(context, seed), context))


def draw_linear(context: ObjectiveContext, seed: int) -> Tensor:
    """Return weights (K, D) uniform within 1 / sqrt(D), as ``torch.nn.Linear`` starts, float64."""
    uniform_KD: Tensor = torch.rand(
        context.class_count,
        context.embed_dim,
        generator=torch.Generator().manual_seed(seed),
        dtype=torch.float64,
    )
    return (2 * uniform_KD - 1) / math.sqrt(context.embed_dim)


def bind_focal(members: Sequence[FocalSettings], context: ObjectiveContext) -> Focal:
    """Return the asymmetric focal loss with the members' scalars."""
    return Focal(
        temperature_M=member_scalars((m.temperature for m in members), context),
        gamma_M=member_scalars((m.gamma for m in members), context),
        eta_M=member_scalars((m.eta for m in members), context),
        normalizer=members[0].normalizer,
    )
