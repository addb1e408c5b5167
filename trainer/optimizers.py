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

    def state(self) -> Tensors:
        """Return all that the next step depends on but the settings, by flat names.

        ``steps`` is the number of steps done, int64 without dimensions; every other tensor has
        one row per member. None of them changes afterwards.
        """
        ...

    def load_state(self, state: Tensors) -> None:
        """Go on from what :meth:`state` returned for the same members, in the same order."""
        ...


class Sgd:
    """Stochastic gradient descent with momentum and L2 weight decay, as torch.optim.SGD."""

    def __init__(self, lr_M: Tensor, momentum: float, weight_decay: float) -> None:
        self._lr_M = lr_M
        self._momentum = momentum
        self._weight_decay = weight_decay
        self._steps = 0
        self._velocity: Tensors = {}

    def step(self, parameters: Tensors, gradients: Tensors) -> None:
        """v <- momentum v + g; p <- p - lr v. The first velocity is the first gradient."""
        self._steps += 1
        for name, parameter in parameters.items():
            gradient = _decayed(gradients[name], parameter, self._weight_decay)
            if self._momentum:
                gradient = self._accelerate(name, gradient)
            parameter.sub_(_rows(self._lr_M, parameter) * gradient)

    def select(self, keep: Tensor) -> None:
        """Keep only the members at the positions ``keep``."""
        self._lr_M = self._lr_M[keep]
        self._velocity = {name: v[keep] for name, v in self._velocity.items()}

    def state(self) -> Tensors:
        """Return the number of steps and the velocities."""
        return {"steps": torch.tensor(self._steps), **_slots("velocity", self._velocity)}

    def load_state(self, state: Tensors) -> None:
        """Go on from what :meth:`state` returned."""
        self._steps = int(state["steps"])
        self._velocity = _slot(state, "velocity")

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

    def state(self) -> Tensors:
        """Return the number of steps and both moments."""
        return {
            "steps": torch.tensor(self._steps),
            **_slots("mean", self._mean),
            **_slots("square", self._square),
        }

    def load_state(self, state: Tensors) -> None:
        """Go on from what :meth:`state` returned."""
        self._steps = int(state["steps"])
        self._mean, self._square = _slot(state, "mean"), _slot(state, "square")


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


def _slots(slot: str, tensors: Tensors) -> Tensors:
    return {f"{slot}/{name}": tensor.clone() for name, tensor in tensors.items()}


def _slot(state: Tensors, slot: str) -> Tensors:
    prefix = f"{slot}/"
    return {n.removeprefix(prefix): t.clone() for n, t in state.items() if n.startswith(prefix)}


def _rows(values_M: Tensor, like: Tensor) -> Tensor:
    return values_M.view(-1, *[1] * (like.ndim - 1))


def _decayed(gradient: Tensor, parameter: Tensor, weight_decay: float) -> Tensor:
    return gradient.add(parameter, alpha=weight_decay) if weight_decay else gradient
