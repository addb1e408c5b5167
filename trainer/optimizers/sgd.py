"""Stochastic gradient descent with momentum, Nesterov's too.

Shape legend: M = members; parameters are (M, ...).
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from trainer.optimizers.protocol import Tensors, pack_slots, rows, unpack_slots
from trainer.optimizers.rates import Rates


class Sgd:
    """SGD with L2 weight decay, step for step torch.optim.SGD.

    v <- momentum v + g; p <- p - lr v, or p - lr (g + momentum v) with Nesterov's momentum
    (Sutskever et al., ICML 2013).
    """

    def __init__(self, rates: Rates, momentum: float, *, nesterov: bool = False) -> None:
        self._rates = rates
        self._momentum = momentum
        self._nesterov = nesterov
        self._steps = 0
        self._velocity: Tensors = {}

    def step(self, parameters: Tensors, gradients: Tensors) -> None:
        """Take one step; the first velocity is the first gradient."""
        lr_M = self._rates.lr(self._steps)
        self._steps += 1
        for name, parameter in parameters.items():
            gradient = self._rates.decayed(gradients[name], parameter)
            direction = self._accelerate(name, gradient) if self._momentum else gradient
            parameter.addcmul_(direction, rows(lr_M, parameter), value=-1)

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

    def _accelerate(self, name: str, gradient: Tensor) -> Tensor:
        velocity = self._velocity.get(name)
        if velocity is None:
            velocity = self._velocity[name] = gradient.contiguous().clone()
        else:
            # One pass over memory where mul_ and add_ would take two.
            torch.add(gradient, velocity, alpha=self._momentum, out=velocity)
        return gradient.add(velocity, alpha=self._momentum) if self._nesterov else velocity
