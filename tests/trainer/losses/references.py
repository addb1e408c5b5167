"""Naive float64 loops that share no code with the objectives, and data to run them on."""

import math

import torch
from torch import Tensor
from torch.nn.functional import normalize


def unit_rows(*shape: int, seed: int, dtype: torch.dtype = torch.float64) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return normalize(torch.randn(*shape, generator=generator, dtype=torch.float64), dim=-1).to(
        dtype
    )


def dot(p: Tensor, q: Tensor) -> float:
    return sum(float(a) * float(b) for a, b in zip(p, q, strict=True))


def log_sum_exp(values: list[float]) -> float:
    top = max(values)
    return top + math.log(sum(math.exp(v - top) for v in values))


def loop_one_way_infonce(x: Tensor, y: Tensor, tau: float) -> float:
    total = 0.0
    for i in range(len(x)):
        logits = [dot(x[i], y[j]) / tau for j in range(len(y))]
        total += log_sum_exp(logits) - logits[i]
    return total / len(x)


def loop_infonce(x: Tensor, y: Tensor, tau: float) -> float:
    return loop_one_way_infonce(x, y, tau) + loop_one_way_infonce(y, x, tau)


def loop_nt_xent(x: Tensor, y: Tensor, tau: float) -> float:
    views = [*x, *y]
    total = 0.0
    for i in range(len(views)):
        partner = (i + len(x)) % len(views)
        logits = {j: dot(views[i], views[j]) / tau for j in range(len(views)) if j != i}
        total += log_sum_exp(list(logits.values())) - logits[partner]
    return total / len(views)
