"""CLOP: a contrastive base and a pull of the labelled samples to frozen prototypes.

Shape legend: M = members, B = pairs, D = embedding dim, K = classes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import assert_never

from torch import Tensor

from trainer.losses.clop import PairLoss, Similarity, clop, look_up_prototypes
from trainer.losses.infonce import infonce, nt_xent
from trainer.losses.prototypes import (
    draw_degraded,
    draw_orthonormal,
    draw_random,
    draw_simplex,
)
from trainer.losses.rows import pad_columns
from trainer.objective_settings import ClopSettings
from trainer.objectives.protocol import ObjectiveBatch, ObjectiveContext
from trainer.objectives.stack import MemberStack, draw_per_member, member_scalars, unit_views


@dataclass(frozen=True, slots=True)
class Clop(MemberStack):
    """CLOP on normalised projections; see :func:`trainer.losses.clop.clop`.

    Each member has the prototypes of its seed, so replicates differ in them too.
    """

    temperature_M: Tensor
    lambda_M: Tensor
    prototypes_MKD: Tensor
    similarity: Similarity
    base: PairLoss

    def __call__(self, parameters: Mapping[str, Tensor], batch: ObjectiveBatch) -> Tensor:
        """Return the loss of each member, shape (M,)."""
        del parameters
        return clop(
            *unit_views(batch),
            look_up_prototypes(self.prototypes_MKD, batch.labels_MB, batch.labelled_MB),
            batch.labelled_MB,
            self.temperature_M,
            self.lambda_M,
            similarity=self.similarity,
            base=self.base,
        )


def bind_clop(members: Sequence[ClopSettings], context: ObjectiveContext) -> Clop:
    """Return CLOP with the members' temperatures, weights and prototypes.

    Raises:
        PrototypeCountError: If the embedding dimension cannot hold a prototype per class.
    """
    drawn_MKD = draw_per_member(
        lambda position, seed: draw_prototypes(members[position], context, seed), context
    )
    return Clop(
        temperature_M=member_scalars((m.temperature for m in members), context),
        lambda_M=member_scalars((m.lambda_ for m in members), context),
        prototypes_MKD=pad_columns(drawn_MKD),
        similarity=members[0].similarity,
        base=choose_base(members[0]),
    )


def draw_prototypes(settings: ClopSettings, context: ObjectiveContext, seed: int) -> Tensor:
    """Return one member's prototypes, float64, shape (K, D).

    Raises:
        PrototypeCountError: If the embedding dimension cannot hold a prototype per class.
    """
    classes, dim = context.class_count, context.embed_dim
    match settings.prototypes:
        case "orthonormal":
            return draw_orthonormal(classes, dim, seed)
        case "random":
            return draw_random(classes, dim, seed)
        case "etf":
            return draw_simplex(classes, dim, seed)
        case "degraded":
            return draw_degraded(classes, dim, seed, settings.degrade_angle_degrees)
        case _:
            assert_never(settings.prototypes)


def choose_base(settings: ClopSettings) -> PairLoss:
    """Return the contrastive loss that the pull is added to."""
    match settings.base:
        case "infonce":
            return infonce
        case "nt_xent":
            return nt_xent
        case _:
            assert_never(settings.base)
