"""From settings to a stacked optimiser."""

from collections.abc import Sequence
from typing import assert_never

import torch

from trainer.cohort import Member
from trainer.optimizers.adam import Adam
from trainer.optimizers.lars import Lars
from trainer.optimizers.protocol import Optimizer
from trainer.optimizers.rates import Rate, Rates
from trainer.optimizers.sgd import Sgd
from trainer.settings import SharedTrainSettings


def build_optimizer(
    settings: SharedTrainSettings,
    members: Sequence[Member],
    device: torch.device,
    dtype: torch.dtype,
) -> Optimizer:
    """Make the optimiser that ``settings`` names, with the rates of each member."""
    rates = Rates([rate_of(member) for member in members], settings.steps, device, dtype)
    match settings.optimizer:
        case "sgd":
            return Sgd(rates, settings.momentum, nesterov=settings.nesterov)
        case "adam":
            return Adam(rates)
        case "adamw":
            return Adam(rates, is_decoupled=True)
        case "lars":
            return Lars(rates, settings.momentum)
        case unreachable:
            assert_never(unreachable)


def rate_of(member: Member) -> Rate:
    """Return what a member asks of its optimiser."""
    return Rate(member.lr, member.weight_decay, member.warmup_steps, member.schedule)
