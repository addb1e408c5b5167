"""Noise on initial weights: a start that is worse than the one that was drawn or loaded.

Shape legend: M = members, P... = shape of one member's weight.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from trainer.models.mlp import stack_draws
from trainer.models.protocol import Tensors
from trainer.seeds import generator_for


def add_weight_noise(weights: Tensors, seeds: Sequence[int], share: float) -> Tensors:
    """Return initial weights with Gaussian noise, or as they are where its share is 0.

    Args:
        weights: One row per member, equal rows for equal seeds, shape (M, P...).
        seeds: The members'. A tensor's noise depends on seed and name alone: members with equal
            seeds get equal noise, and twice the share is twice the noise.
        share: Standard deviation of the noise, in those of each tensor's own entries. What is
            constant (scales and biases of norms, single numbers) stays as it is.
    """
    if share == 0:
        return weights

    def disturb(seed: int) -> Tensors:
        row = seeds.index(seed)
        return {
            name: _disturb(weight_MP[row], share, generator_for(seed, "weight noise", name))
            for name, weight_MP in weights.items()
        }

    return stack_draws(seeds, disturb)


def _disturb(weight_P: Tensor, share: float, generator: torch.Generator) -> Tensor:
    noise_P = torch.randn(weight_P.shape, generator=generator, dtype=weight_P.dtype)
    return weight_P + share * weight_P.std(correction=0) * noise_P
