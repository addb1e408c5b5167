"""Each member's learning rate at each step, and its weight decay.

Shape legend: M = members.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import assert_never

import torch
from torch import Tensor

from trainer.optimizers.protocol import rows
from trainer.settings import Schedule


@dataclass(frozen=True, slots=True)
class Rate:
    """One member's rates.

    Attributes:
        lr: Learning rate at the height of the schedule.
        weight_decay: Share of a parameter that is added to its gradient.
        warmup_steps: The first steps take 1/w, 2/w, ..., w/w of the learning rate.
        schedule: What follows: the full rate, or half a cosine down to zero.
    """

    lr: float
    weight_decay: float = 0.0
    warmup_steps: int = 0
    schedule: Schedule = "constant"

    def factor(self, step: int, steps: int) -> float:
        """Return the share of ``lr`` that step ``step`` (from 0) of ``steps`` takes, in [0, 1].

        The cosine is that of torch's CosineAnnealingLR over the steps after the warm-up: 1 at
        the first of them, and 0 only after the last, so that no step is wasted.
        """
        if step < self.warmup_steps:
            return (step + 1) / self.warmup_steps
        match self.schedule:
            case "constant":
                return 1.0
            case "cosine":
                done = (step - self.warmup_steps) / max(1, steps - self.warmup_steps)
                return (1 + math.cos(math.pi * min(done, 1.0))) / 2
            case unreachable:
                assert_never(unreachable)

    def is_settled(self, step: int) -> bool:
        """Whether the rate is constant from ``step`` on."""
        return self.schedule == "constant" and step >= self.warmup_steps - 1


class Rates:
    """The rates of a stack's members.

    Factors are computed in Python, member by member: vectorised cosines round by their place in
    the tensor. A constant rate is made a tensor once.
    """

    def __init__(
        self, members: Sequence[Rate], steps: int, device: torch.device, dtype: torch.dtype
    ) -> None:
        self._members = tuple(members)
        self._steps = steps
        self._device, self._dtype = device, dtype
        self._settled_lr_M: Tensor | None = None
        self._set_decay()

    def lr(self, step: int) -> Tensor:
        """Return the learning rates of step ``step`` (from 0), shape (M,)."""
        if self._settled_lr_M is not None:
            return self._settled_lr_M
        lr_M = self._tensor([m.lr * m.factor(step, self._steps) for m in self._members])
        if all(member.is_settled(step) for member in self._members):
            self._settled_lr_M = lr_M
        return lr_M

    def select(self, keep: Tensor) -> None:
        """Keep only the members at the positions ``keep``."""
        self._members = tuple(self._members[i] for i in keep.tolist())
        self._settled_lr_M = None
        self._set_decay()

    def decayed(self, gradient: Tensor, parameter: Tensor) -> Tensor:
        """Return gradient + weight decay x parameter; the gradient itself where none decays."""
        if not self._decays:
            return gradient
        sum_ = gradient.addcmul(parameter, rows(self.decay_M, parameter))
        if self._all_decay:
            return sum_
        # Not even 0 x infinity may reach a member that would not decay if it were alone.
        return torch.where(rows(self._is_decaying_M, parameter), sum_, gradient)

    def _set_decay(self) -> None:
        self.decay_M = self._tensor([member.weight_decay for member in self._members])
        self._is_decaying_M = self.decay_M != 0
        decays = [member.weight_decay != 0 for member in self._members]
        self._decays, self._all_decay = any(decays), all(decays)

    def _tensor(self, values: Sequence[float]) -> Tensor:
        return torch.tensor(values, dtype=torch.float64).to(self._device, self._dtype)
