"""A temperature that is learned, as CLIP does: by its log(1 / tau), with 1 / tau at most 100.

Shape legend: M = members.
"""

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from trainer.objective_settings import LARGEST_LEARNED_SCALE


def init_log_scale(temperature_M: Tensor) -> dict[str, Tensor]:
    """Return the parameter ``log_scale`` = log(1 / tau), (M,), of members that start at tau."""
    return {"log_scale": -temperature_M.log()}


def learned_temperature(parameters: Mapping[str, Tensor]) -> Tensor:
    """Return tau of each member as trained so far, at least 0.01, shape (M,).

    References:
        Radford et al. 2021, arXiv:2103.00020, section 2.5.
    """
    return (-at_most(parameters["log_scale"], math.log(LARGEST_LEARNED_SCALE))).exp()


def at_most(values_M: Tensor, largest: float) -> Tensor:
    """Return the values, none above ``largest``, with the gradient of a bound that can be left.

    CLIP sets the parameter itself back after a step. Here the step is not the objective's, so
    the parameter may stand above; a gradient by which descent would raise it further is then cut,
    one that lowers it passes. The gradient of ``clamp`` would hold it there for ever.
    """
    bounded_M: Tensor = _Ceiling.apply(values_M, largest)  # type: ignore[no-untyped-call]
    return bounded_M


class _Ceiling(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values_M: Tensor, largest: float) -> Tensor:
        ctx.save_for_backward(values_M > largest)
        return values_M.clamp(max=largest)

    @staticmethod
    def backward(ctx: Any, grad_M: Tensor) -> tuple[Tensor, None]:
        (is_above_M,) = ctx.saved_tensors
        return grad_M.masked_fill(is_above_M & (grad_M < 0), 0.0), None
