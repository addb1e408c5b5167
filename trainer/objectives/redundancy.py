"""Objectives without negatives, on raw projections: VICReg and Barlow Twins.

Shape legend: M = members, B = pairs, D = embedding dim.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from trainer.losses.barlow_twins import barlow_twins
from trainer.losses.vicreg import vicreg
from trainer.objective_settings import BarlowTwinsSettings, VICRegSettings
from trainer.objectives.protocol import ObjectiveBatch, ObjectiveContext
from trainer.objectives.stack import MemberStack, member_scalars


@dataclass(frozen=True, slots=True)
class VICReg(MemberStack):
    """VICReg on raw projections; see :func:`trainer.losses.vicreg.vicreg`."""

    invariance_weight_M: Tensor
    variance_weight_M: Tensor
    covariance_weight_M: Tensor

    def __call__(self, parameters: Mapping[str, Tensor], batch: ObjectiveBatch) -> Tensor:
        """Return the loss of each member, shape (M,)."""
        del parameters
        return vicreg(
            *batch.pair,
            self.invariance_weight_M,
            self.variance_weight_M,
            self.covariance_weight_M,
        )


@dataclass(frozen=True, slots=True)
class BarlowTwins(MemberStack):
    """Barlow Twins on raw projections; see :func:`trainer.losses.barlow_twins.barlow_twins`."""

    redundancy_weight_M: Tensor

    def __call__(self, parameters: Mapping[str, Tensor], batch: ObjectiveBatch) -> Tensor:
        """Return the loss of each member, shape (M,)."""
        del parameters
        return barlow_twins(*batch.pair, self.redundancy_weight_M)


def bind_vicreg(members: Sequence[VICRegSettings], context: ObjectiveContext) -> VICReg:
    """Return VICReg with the members' weights."""
    return VICReg(
        invariance_weight_M=member_scalars((m.invariance_weight for m in members), context),
        variance_weight_M=member_scalars((m.variance_weight for m in members), context),
        covariance_weight_M=member_scalars((m.covariance_weight for m in members), context),
    )


def bind_barlow_twins(
    members: Sequence[BarlowTwinsSettings], context: ObjectiveContext
) -> BarlowTwins:
    """Return Barlow Twins with the members' weights."""
    return BarlowTwins(member_scalars((m.redundancy_weight for m in members), context))
