"""Objectives that need no labels: InfoNCE, NT-Xent, CL, DCL.

Shape legend: M = members, B = pairs, D = embedding dim.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal, assert_never

from torch import Tensor

from trainer.losses.dcl import dcl, dclw
from trainer.losses.decoupled import cl
from trainer.losses.exponent import exp_is_always_safe
from trainer.losses.fused import infonce_by_hand
from trainer.losses.infonce import infonce, is_large, nt_xent
from trainer.losses.unit_views import UnitRows
from trainer.objective_settings import (
    CLSettings,
    DCLSettings,
    InfoNCESettings,
    NTXentSettings,
)
from trainer.objectives.protocol import ObjectiveBatch, ObjectiveContext
from trainer.objectives.stack import (
    MemberStack,
    apply_in_cache,
    member_scalars,
    unit_views,
)
from trainer.objectives.temperature import init_log_scale, learned_temperature


@dataclass(frozen=True, slots=True)
class InfoNCE(MemberStack):
    """Symmetric InfoNCE on normalised projections; see :func:`trainer.losses.infonce.infonce`."""

    temperature_M: Tensor
    is_safe: bool

    def __call__(self, parameters: Mapping[str, Tensor], batch: ObjectiveBatch) -> Tensor:
        """Return the loss of each member, shape (M,)."""
        del parameters
        return infonce(*unit_views(batch), self.temperature_M, is_safe=self.is_safe)

    def differentiate(self, batch: ObjectiveBatch) -> tuple[Tensor, Tensor] | None:
        """Return losses and gradients of small safe batches, without autograd."""
        _, rows, dim = batch.views_MND.shape
        if batch.is_unit or not self.is_safe or is_large(batch.views_MND[:, : rows // 2]):
            return None
        unit_rows = UnitRows.of(batch.views_MND)
        losses_M, grad_x_MBD, grad_y_MBD = infonce_by_hand(*unit_rows.views, self.temperature_M)
        return losses_M, unit_rows.pull_back(grad_x_MBD, grad_y_MBD, dim)


@dataclass(frozen=True, slots=True)
class LearnedInfoNCE(InfoNCE):
    """Symmetric InfoNCE at a learned temperature; ``temperature_M`` is where it starts."""

    def init_parameters(self) -> dict[str, Tensor]:
        """Return ``log_scale`` = log(1 / tau), (M,)."""
        return init_log_scale(self.temperature_M)

    def __call__(self, parameters: Mapping[str, Tensor], batch: ObjectiveBatch) -> Tensor:
        """Return the loss of each member, shape (M,)."""
        return infonce(*unit_views(batch), learned_temperature(parameters))


@dataclass(frozen=True, slots=True)
class NTXent(MemberStack):
    """NT-Xent on normalised projections; see :func:`trainer.losses.infonce.nt_xent`."""

    temperature_M: Tensor
    is_safe: bool

    def __call__(self, parameters: Mapping[str, Tensor], batch: ObjectiveBatch) -> Tensor:
        """Return the loss of each member, shape (M,)."""
        del parameters
        return nt_xent(*unit_views(batch), self.temperature_M, is_safe=self.is_safe)


@dataclass(frozen=True, slots=True)
class CL(MemberStack):
    """Decoupled CL on normalised projections; see :func:`trainer.losses.decoupled.cl`."""

    temperature_M: Tensor
    positive_in_denominator: bool

    def __call__(self, parameters: Mapping[str, Tensor], batch: ObjectiveBatch) -> Tensor:
        """Return the loss of each member, shape (M,).

        Raises:
            NoNegativeError: If the batch is a single pair.
        """
        del parameters
        loss = partial(cl, positive_in_denominator=self.positive_in_denominator)
        return apply_in_cache(loss, *unit_views(batch), self.temperature_M)


@dataclass(frozen=True, slots=True)
class DCL(MemberStack):
    """DCL or DCLW on normalised projections; see :mod:`trainer.losses.dcl`."""

    temperature_M: Tensor
    sigma_M: Tensor
    weighting: Literal["none", "von_mises_fisher"]

    def __call__(self, parameters: Mapping[str, Tensor], batch: ObjectiveBatch) -> Tensor:
        """Return the loss of each member, shape (M,).

        Raises:
            NoNegativeError: If the batch is a single pair.
        """
        del parameters
        match self.weighting:
            case "none":
                return apply_in_cache(dcl, *unit_views(batch), self.temperature_M)
            case "von_mises_fisher":
                scalars = self.temperature_M, self.sigma_M
                return apply_in_cache(dclw, *unit_views(batch), *scalars)
            case _:
                assert_never(self.weighting)


def bind_infonce(members: Sequence[InfoNCESettings], context: ObjectiveContext) -> InfoNCE:
    """Return InfoNCE with the members' temperatures, fixed or to start from."""
    temperature_M = member_scalars((m.temperature for m in members), context)
    if members[0].temperature_mode == "learnable":
        return LearnedInfoNCE(temperature_M, is_safe=False)
    return InfoNCE(temperature_M, exp_is_always_safe(temperature_M, context.batch_size))


def bind_nt_xent(members: Sequence[NTXentSettings], context: ObjectiveContext) -> NTXent:
    """Return NT-Xent with the members' temperatures."""
    temperature_M = member_scalars((m.temperature for m in members), context)
    return NTXent(temperature_M, exp_is_always_safe(temperature_M, 2 * context.batch_size))


def bind_cl(members: Sequence[CLSettings], context: ObjectiveContext) -> CL:
    """Return CL with the members' temperatures and their common denominator."""
    return CL(
        member_scalars((m.temperature for m in members), context),
        members[0].positive_in_denominator,
    )


def bind_dcl(members: Sequence[DCLSettings], context: ObjectiveContext) -> DCL:
    """Return DCL with the members' temperatures and widths, and their common weighting."""
    return DCL(
        temperature_M=member_scalars((m.temperature for m in members), context),
        sigma_M=member_scalars((m.sigma for m in members), context),
        weighting=members[0].weighting,
    )
