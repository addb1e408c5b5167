"""Choose, member by member, between an unshifted exponential and the form that is always safe.

Shape legend: M = members (any leading dims), B = pairs, D = embedding dim.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor

BITS_PER_NAT = 1 / math.log(2)
NATS_PER_BIT = math.log(2)


def exp_is_safe(largest_logit_M: Tensor, terms: int) -> Tensor:
    """Say for which members exp needs no shift: neither sums nor weights leave the dtype's range.

    Args:
        largest_logit_M: Bound on the absolute logits in nats (1 / tau for unit rows), [...].
        terms: Number of exponentials in one sum.

    Returns:
        Boolean tensor, shape [...]; False for NaN. For float32 and 256 terms the bound is 75.1.
    """
    info = torch.finfo(largest_logit_M.dtype)
    range_nats = min(math.log(info.max), -math.log(info.tiny)) - 1.0
    return largest_logit_M <= range_nats - 2 * math.log(terms)


def exp_is_always_safe(temperature_M: Tensor, terms: int) -> bool:
    """Say whether that holds for all members at fixed temperatures; on a GPU this waits for it."""
    return bool(exp_is_safe(1 / temperature_M, terms).all())


def choose_per_member(
    is_safe_M: Tensor,
    fast: Callable[..., Tensor],
    always_safe: Callable[..., Tensor],
    *arguments_M: Tensor,
) -> Tensor:
    """Apply ``fast`` to the members for which it is safe, ``always_safe`` to the others.

    The choice is each member's own, so its bits don't depend on the temperatures of others.

    Args:
        is_safe_M: Boolean tensor, shape [M].
        fast: Objective over stacks, to a loss of shape [M].
        always_safe: The same objective for any logits.
        arguments_M: Its arguments, each with the same leading dim M.

    Returns:
        One loss per member, shape [M].
    """
    if is_safe_M.all():
        return fast(*arguments_M)
    if not is_safe_M.any():
        return always_safe(*arguments_M)
    safe_K, unsafe_L = is_safe_M.nonzero()[:, 0], (~is_safe_M).nonzero()[:, 0]
    losses = fast(*(a[safe_K] for a in arguments_M))
    other_losses = always_safe(*(a[unsafe_L] for a in arguments_M))
    order_M = torch.cat([safe_K, unsafe_L]).argsort()
    return torch.cat([losses, other_losses])[order_M]
