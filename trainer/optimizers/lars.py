r"""LARS: layer-wise adaptive rates for large batches.

Shape legend: M = members; parameters are (M, ...).
"""

import torch
from torch import Tensor

from trainer.norms import member_norms
from trainer.optimizers.protocol import Tensors, rows
from trainer.optimizers.velocity import VelocityOptimizer

TRUST_COEFFICIENT = 0.001
"""The paper's eta."""


class Lars(VelocityOptimizer):
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

    def _trust(self, parameter: Tensor, gradient: Tensor) -> Tensor:
        """Return lambda of each member, shape (M,)."""
        weight_M, gradient_M = member_norms(parameter), member_norms(gradient)
        trust_M = TRUST_COEFFICIENT * weight_M / (gradient_M + self._rates.decay_M * weight_M)
        return torch.where((weight_M == 0) | (gradient_M == 0), 1.0, trust_M)


def is_adapted(parameter: Tensor) -> bool:
    """Whether a stacked tensor (M, ...) is a matrix or more per member, and no bias or gain."""
    return sum(size > 1 for size in parameter.shape[1:]) > 1
