"""Stochastic gradient descent with momentum, Nesterov's too.

Shape legend: M = members; parameters are (M, ...).
"""

import torch
from torch import Tensor

from trainer.optimizers.protocol import Tensors, rows
from trainer.optimizers.rates import Rates
from trainer.optimizers.velocity import VelocityOptimizer


class Sgd(VelocityOptimizer):
    """SGD with L2 weight decay, step for step torch.optim.SGD.

    v <- momentum v + g; p <- p - lr v, or p - lr (g + momentum v) with Nesterov's momentum
    (Sutskever et al., ICML 2013).
    """

    def __init__(self, rates: Rates, momentum: float, *, nesterov: bool = False) -> None:
        super().__init__(rates, momentum)
        self._nesterov = nesterov

    def step(self, parameters: Tensors, gradients: Tensors) -> None:
        """Take one step; the first velocity is the first gradient."""
        lr_M = self._rates.lr(self._steps)
        self._steps += 1
        for name, parameter in parameters.items():
            gradient = self._rates.decayed(gradients[name], parameter)
            direction = self._accelerate(name, gradient) if self._momentum else gradient
            parameter.addcmul_(direction, rows(lr_M, parameter), value=-1)

    def _accelerate(self, name: str, gradient: Tensor) -> Tensor:
        velocity = self._velocity.get(name)
        if velocity is None:
            velocity = self._velocity[name] = gradient.contiguous().clone()
        else:
            # One pass over memory where mul_ and add_ would take two.
            torch.add(gradient, velocity, alpha=self._momentum, out=velocity)
        return gradient.add(velocity, alpha=self._momentum) if self._nesterov else velocity
