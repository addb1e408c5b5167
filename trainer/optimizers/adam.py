"""Adam and AdamW.

Shape legend: M = members; parameters are (M, ...).
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from trainer.optimizers.protocol import Tensors, pack_slots, rows, unpack_slots
from trainer.optimizers.rates import Rates

_BETA1, _BETA2, _EPS = 0.9, 0.999, 1e-8


class Adam:
    """Adam, step for step torch.optim.Adam, or torch.optim.AdamW with ``is_decoupled``.

    References:
        Kingma & Ba, arXiv:1412.6980; Loshchilov & Hutter, arXiv:1711.05101 (decoupled decay:
        p <- p (1 - lr decay) before the step, instead of decay x p in the gradient).
    """

    def __init__(self, rates: Rates, *, is_decoupled: bool = False) -> None:
        self._rates = rates
        self._is_decoupled = is_decoupled
        self._steps = 0
        self._mean: Tensors = {}
        self._square: Tensors = {}

    def step(self, parameters: Tensors, gradients: Tensors) -> None:
        """Take one step with bias-corrected moments."""
        lr_M = self._rates.lr(self._steps)
        self._steps += 1
        corrected_lr_M = lr_M / (1 - _BETA1**self._steps)
        correction2 = (1 - _BETA2**self._steps) ** 0.5
        shrink_M = 1 - lr_M * self._rates.decay_M
        for name, parameter in parameters.items():
            gradient = gradients[name]
            if self._is_decoupled:
                parameter.mul_(rows(shrink_M, parameter))
            else:
                gradient = self._rates.decayed(gradient, parameter)
            mean, square = self._track(name, gradient)
            scale = square.sqrt().div_(correction2).add_(_EPS)
            direction = torch.div(mean, scale, out=scale)
            parameter.addcmul_(direction, rows(corrected_lr_M, parameter), value=-1)

    def select(self, keep: Tensor) -> None:
        """Keep only the members at the positions ``keep``."""
        self._rates.select(keep)
        self._mean = {name: v[keep] for name, v in self._mean.items()}
        self._square = {name: v[keep] for name, v in self._square.items()}

    def state(self) -> Tensors:
        """Return the number of steps and both moments."""
        return pack_slots(self._steps, mean=self._mean, square=self._square)

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Go on from what :meth:`state` returned."""
        self._steps, (self._mean, self._square) = unpack_slots(state, "mean", "square")

    def _track(self, name: str, gradient: Tensor) -> tuple[Tensor, Tensor]:
        if name not in self._mean:
            self._mean[name] = torch.zeros_like(gradient)
            self._square[name] = torch.zeros_like(gradient)
        mean, square = self._mean[name], self._square[name]
        mean.lerp_(gradient, 1 - _BETA1)
        square.mul_(_BETA2).addcmul_(gradient, gradient, value=1 - _BETA2)
        return mean, square
