"""Optimisers over stacked members, each member with its own learning rate.

torch.optim takes one learning rate per parameter tensor; here each member is one row of every
tensor. torch.optim is the reference in the tests.

Shape legend: M = members; parameters are (M, ...).
"""

from collections.abc import Sequence
from typing import Protocol, assert_never

import torch
from torch import Tensor

from trainer.settings import TrainSettings

Tensors = dict[str, Tensor]

_BETA1, _BETA2, _ADAM_EPS = 0.9, 0.999, 1e-8


class Optimizer(Protocol):
    """Updates stacked parameters in place."""

    def step(self, parameters: Tensors, gradients: Tensors) -> None:
        """Take one step; ``gradients`` has the names and shapes of ``parameters``."""
        ...

    def select(self, keep: Tensor) -> None:
        """Keep only the members at the positions ``keep`` (int64, shape (K,))."""
        ...


class Sgd:
    """Stochastic gradient descent with momentum and L2 weight decay, as torch.optim.SGD."""

    def __init__(self, lr_M: Tensor, momentum: float, weight_decay: float) -> None:
        self._lr_M = lr_M
        self._momentum = momentum
        self._weight_decay = weight_decay
        self._velocity: Tensors = {}

    def step(self, parameters: Tensors, gradients: Tensors) -> None:
        """v <- momentum v + g; p <- p - lr v. The first velocity is the first gradient."""
        for name, parameter in parameters.items():
            gradient = _decayed(gradients[name], parameter, self._weight_decay)
            if self._momentum:
                gradient = self._accelerate(name, gradient)
            parameter.sub_(_rows(self._lr_M, parameter) * gradient)

    def select(self, keep: Tensor) -> None:
        """Keep only the members at the positions ``keep``."""
        self._lr_M = self._lr_M[keep]
        self._velocity = {name: v[keep] for name, v in self._velocity.items()}

    def _accelerate(self, name: str, gradient: Tensor) -> Tensor:
        if name not in self._velocity:
            self._velocity[name] = gradient.clone()
            return self._velocity[name]
        return self._velocity[name].mul_(self._momentum).add_(gradient)


class Adam:
    """Adam with L2 weight decay, as torch.optim.Adam (Kingma & Ba, arXiv:1412.6980)."""

    def __init__(self, lr_M: Tensor, weight_decay: float) -> None:
        self._lr_M = lr_M
        self._weight_decay = weight_decay
        self._steps = 0
        self._mean: Tensors = {}
        self._square: Tensors = {}

    def step(self, parameters: Tensors, gradients: Tensors) -> None:
        """One Adam step with bias-corrected moments."""
        self._steps += 1
        correction1 = 1 - _BETA1**self._steps
        correction2 = 1 - _BETA2**self._steps
        for name, parameter in parameters.items():
            gradient = _decayed(gradients[name], parameter, self._weight_decay)
            mean = self._mean.setdefault(name, torch.zeros_like(parameter))
            square = self._square.setdefault(name, torch.zeros_like(parameter))
            mean.lerp_(gradient, 1 - _BETA1)
            square.mul_(_BETA2).addcmul_(gradient, gradient, value=1 - _BETA2)
            scale = (square.sqrt() / correction2**0.5).add_(_ADAM_EPS)
            parameter.sub_(_rows(self._lr_M / correction1, parameter) * (mean / scale))

    def select(self, keep: Tensor) -> None:
        """Keep only the members at the positions ``keep``."""
        self._lr_M = self._lr_M[keep]
        self._mean = {name: v[keep] for name, v in self._mean.items()}
        self._square = {name: v[keep] for name, v in self._square.items()}


def build_optimizer(
    settings: TrainSettings, lrs: Sequence[float], device: torch.device, dtype: torch.dtype
) -> Optimizer:
    """Make the optimiser that ``settings`` names, one learning rate per member."""
    lr_M = torch.tensor(lrs, dtype=torch.float64).to(device, dtype)
    match settings.optimizer:
        case "sgd":
            return Sgd(lr_M, settings.momentum, settings.weight_decay)
        case "adam":
            return Adam(lr_M, settings.weight_decay)
        case unreachable:
            assert_never(unreachable)


def _rows(values_M: Tensor, like: Tensor) -> Tensor:
    return values_M.view(-1, *[1] * (like.ndim - 1))


def _decayed(gradient: Tensor, parameter: Tensor, weight_decay: float) -> Tensor:
    return gradient.add(parameter, alpha=weight_decay) if weight_decay else gradient
