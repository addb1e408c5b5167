"""LARS as its paper writes it down, one tensor after another."""

import math

import torch
from torch import Tensor


class PaperLars(torch.optim.Optimizer):
    """Algorithm 1 of arXiv:1708.03888, written from the paper for one member, tensor by tensor."""

    def __init__(self, parameters: list[Tensor], lr: float, momentum: float, decay: float) -> None:
        super().__init__(parameters, {"lr": lr})
        self._momentum, self._decay = momentum, decay
        self._velocities = [torch.zeros_like(parameter) for parameter in parameters]

    @torch.no_grad()
    def step(self, closure: object = None) -> None:  # type: ignore[override]
        """Take one step; vectors and numbers are neither scaled nor decayed."""
        assert closure is None
        group = self.param_groups[0]
        for w, velocity in zip(group["params"], self._velocities, strict=True):
            rate, gradient = group["lr"], w.grad
            if len([size for size in w.shape if size != 1]) >= 2:
                w_norm = math.sqrt(sum(x * x for x in w.flatten().tolist()))
                g_norm = math.sqrt(sum(x * x for x in gradient.flatten().tolist()))
                if w_norm and g_norm:
                    rate *= 0.001 * w_norm / (g_norm + self._decay * w_norm)
                gradient = gradient + self._decay * w
            velocity.copy_(self._momentum * velocity + rate * gradient)
            w.sub_(velocity)
