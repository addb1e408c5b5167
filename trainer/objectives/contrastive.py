"""Objectives that need no labels: InfoNCE and NT-Xent.

Shape legend: M = members, B = pairs, D = embedding dim.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from trainer.losses.infonce import infonce, nt_xent
from trainer.objective_settings import InfoNCESettings, NTXentSettings
from trainer.objectives.protocol import ObjectiveBatch, ObjectiveContext
from trainer.objectives.stack import MemberStack, member_scalars, unit_views


@dataclass(frozen=True, slots=True)
class InfoNCE(MemberStack):
    """Symmetric InfoNCE on normalised projections; see :func:`trainer.losses.infonce.infonce`."""

    temperature_M: Tensor

    def __call__(self, parameters: Mapping[str, Tensor], batch: ObjectiveBatch) -> Tensor:
        """Return the loss of each member, shape (M,)."""
        del parameters
        return infonce(*unit_views(batch), self.temperature_M)


@dataclass(frozen=True, slots=True)
class NTXent(MemberStack):
    """NT-Xent on normalised projections; see :func:`trainer.losses.infonce.nt_xent`."""

    temperature_M: Tensor

    def __call__(self, parameters: Mapping[str, Tensor], batch: ObjectiveBatch) -> Tensor:
        """Return the loss of each member, shape (M,)."""
        del parameters
        return nt_xent(*unit_views(batch), self.temperature_M)


def bind_infonce(members: Sequence[InfoNCESettings], context: ObjectiveContext) -> InfoNCE:
    """Return InfoNCE with the members' temperatures."""
    return InfoNCE(member_scalars((m.temperature for m in members), context))


def bind_nt_xent(members: Sequence[NTXentSettings], context: ObjectiveContext) -> NTXent:
    """Return NT-Xent with the members' temperatures."""
    return NTXent(member_scalars((m.temperature for m in members), context))
