r"""LARS: layer-wise adaptive rates for large batches.

Shape legend: M = members; parameters are (M, ...).
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from trainer.norms import member_norms
from trainer.optimizers.protocol import Tensors, pack_slots, rows, unpack_slots
from trainer.optimizers.rates import Rates

TRUST_COEFFICIENT = 0.001
"""The paper's eta."""


class Lars:
    r"""Algorithm 1 of You, Gitman & Ginsburg, arXiv:1708.03888, each member by itself.

    For each tensor :math:`w` of a member, with its gradient :math:`g`, weight decay
    :math:`\beta`, learning rate :math:`\gamma` and momentum :math:`m`:

    .. math::
        \lambda &= \eta \, \|w\| / (\|g\| + \beta \|w\|), \\
        v &\leftarrow m v + \gamma \lambda (g + \beta w), \quad w \leftarrow w - v.

    The rate is inside the velocity, as in the paper (not outside, as in torch.optim.SGD), and
    so is the decay. Biases, and gains and shifts of norms (every tensor that is a vector or a
    number per member), take :math:`\lambda = 1` and no decay, as in SimCLR and BYOL. So does
    :math:`\lambda` where a norm is zero, whence no direction follows.
    """

    def __init__(self, rates: Rates, momentum: float) -> None:
        self._rates = rates
        self._momentum = momentum
        self._steps = 0
        self._velocity: Tensors = {}

    def step(self, parameters: Tensors, gradients: Tensors) -> None:
        """Take one step."""
        lr_M = self._rates.lr(self._steps)
        self._steps += 1
        for name, parameter in parameters.items():
            gradient, rate_M = gradients[name], lr_M
            if is_adapted(parameter):
                rate_M = lr_M * self._trust(parameter, gradient)
                gradient = self._rates.decayed(gradient, parameter)
            update = gradient * rows(rate_M, parameter)
            velocity = self._velocity.get(name)
            if velocity is None:
                velocity = self._velocity[name] = update
            else:
                torch.add(update, velocity, alpha=self._momentum, out=velocity)
            parameter.sub_(velocity)

    def select(self, keep: Tensor) -> None:
        """Keep only the members at the positions ``keep``."""
        self._rates.select(keep)
        self._velocity = {name: v[keep] for name, v in self._velocity.items()}

    def state(self) -> Tensors:
        """Return the number of steps and the velocities."""
        return pack_slots(self._steps, velocity=self._velocity)

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Go on from what :meth:`state` returned."""
        self._steps, (self._velocity,) = unpack_slots(state, "velocity")

    def _trust(self, parameter: Tensor, gradient: Tensor) -> Tensor:
        """Return lambda of each member, shape (M,)."""
        weight_M, gradient_M = member_norms(parameter), member_norms(gradient)
        trust_M = TRUST_COEFFICIENT * weight_M / (gradient_M + self._rates.decay_M * weight_M)
        return torch.where((weight_M == 0) | (gradient_M == 0), 1.0, trust_M)


def is_adapted(parameter: Tensor) -> bool:
    """Whether a stacked tensor (M, ...) is a matrix or more per member, and no bias or gain."""
    return sum(size > 1 for size in parameter.shape[1:]) > 1
