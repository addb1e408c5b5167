"""SigLIP, its scale and bias learned or fixed.

Shape legend: M = members, B = pairs, D = embedding dim.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from trainer.losses.siglip import siglip
from trainer.objective_settings import SigLIPSettings, SVRSettings
from trainer.objectives.protocol import ObjectiveBatch, ObjectiveContext
from trainer.objectives.stack import MemberStack, member_scalars, unit_views


@dataclass(frozen=True, slots=True)
class SigLIP(MemberStack):
    """SigLIP on normalised projections; see :func:`trainer.losses.siglip.siglip`."""

    initial_log_scale_M: Tensor
    initial_bias_M: Tensor
    is_learnable: bool

    def init_parameters(self) -> dict[str, Tensor]:
        """Return ``log_scale`` and ``bias``, each (M,); {} if they are fixed."""
        if not self.is_learnable:
            return {}
        return {
            "log_scale": self.initial_log_scale_M.clone(),
            "bias": self.initial_bias_M.clone(),
        }

    def scale_and_bias(self, parameters: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Return k and b of each member as trained so far, each (M,)."""
        log_scale_M = parameters.get("log_scale", self.initial_log_scale_M)
        return log_scale_M.exp(), parameters.get("bias", self.initial_bias_M)

    def __call__(self, parameters: Mapping[str, Tensor], batch: ObjectiveBatch) -> Tensor:
        """Return the loss of each member, shape (M,)."""
        return siglip(*unit_views(batch), *self.scale_and_bias(parameters))


def bind_siglip(
    members: Sequence[SigLIPSettings] | Sequence[SVRSettings], context: ObjectiveContext
) -> SigLIP:
    """Return SigLIP with the members' initial scales and biases."""
    return SigLIP(
        initial_log_scale_M=member_scalars((m.scale for m in members), context).log(),
        initial_bias_M=member_scalars((m.bias for m in members), context),
        is_learnable=members[0].learnable,
    )
