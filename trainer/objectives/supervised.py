"""Objectives that use the labels of all samples: SupCon.

Shape legend: M = members, B = pairs, D = embedding dim.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, assert_never

from torch import Tensor

from trainer.losses.supcon import supcon, supcon_cross_view
from trainer.objective_settings import SupConSettings
from trainer.objectives.protocol import ObjectiveBatch, ObjectiveContext
from trainer.objectives.stack import MemberStack, member_scalars, unit_views


@dataclass(frozen=True, slots=True)
class SupCon(MemberStack):
    """SupCon on normalised projections; see :mod:`trainer.losses.supcon`."""

    temperature_M: Tensor
    variant: Literal["out", "cross_view"]

    def __call__(self, parameters: Mapping[str, Tensor], batch: ObjectiveBatch) -> Tensor:
        """Return the loss of each member, shape (M,)."""
        del parameters
        x_MBD, y_MBD = unit_views(batch)
        match self.variant:
            case "out":
                return supcon(x_MBD, y_MBD, batch.labels_MB, self.temperature_M)
            case "cross_view":
                return supcon_cross_view(x_MBD, y_MBD, batch.labels_MB, self.temperature_M)
            case _:
                assert_never(self.variant)


def bind_supcon(members: Sequence[SupConSettings], context: ObjectiveContext) -> SupCon:
    """Return SupCon with the members' temperatures and their common variant."""
    return SupCon(member_scalars((m.temperature for m in members), context), members[0].variant)
