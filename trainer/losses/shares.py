r"""One worker's rows of an objective over a batch that is spread over workers.

Each worker passes its own rows and the gathered rows of all (see :mod:`trainer.losses.gather`)
and gets its share: the shares of all workers add up to the objective of the whole batch, and so do
their gradients. ``first`` is where a worker's rows start in the gathered batch; nothing here knows
about processes.

Shape legend: M = members (any leading dims), A = this worker's pairs, B = pairs of all workers,
D = embedding dim.
"""

from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor
from torch.nn.functional import softplus

from trainer.losses.exponent import choose_per_member, exp_is_safe
from trainer.losses.fused_rows import surprise_sum
from trainer.losses.fused_siglip import siglip_sum
from trainer.losses.pairs import (
    Scalar,
    as_member_scalar,
    check_temperature,
    member_shape,
    stack_embeddings,
    stack_pairs,
    stack_scalar,
)
from trainer.losses.svr import PUBLISHED, Support, support_vectors


@dataclass(frozen=True, slots=True)
class Spread:
    """A batch of pairs over workers: own rows, everybody's rows, and where the own ones start."""

    own_x_MAD: Tensor
    own_y_MAD: Tensor
    all_x_MBD: Tensor
    all_y_MBD: Tensor
    first: int


def infonce_share(batch: Spread, temperature: Scalar) -> Tensor:
    """Return this worker's share of :func:`trainer.losses.infonce.infonce`, shape [...]."""
    x_to_y_M = rows_share(batch.own_x_MAD, batch.all_y_MBD, temperature, batch.first)
    y_to_x_M = rows_share(batch.own_y_MAD, batch.all_x_MBD, temperature, batch.first)
    return x_to_y_M + y_to_x_M


def infonce_svr_share(
    batch: Spread,
    temperature: Scalar,
    alpha: Scalar,
    radius_x_MA: Scalar,
    radius_y_MA: Scalar | None = None,
    support: Support = PUBLISHED,
) -> Tensor:
    """Return this worker's share of :func:`trainer.losses.svr.infonce_svr`, shape [...].

    Radii are those of the worker's own anchors.
    """
    supports_MAD = support_vectors(batch.own_x_MAD, batch.own_y_MAD, radius_x_MA, support)
    term_M = rows_share(supports_MAD, batch.all_y_MBD, temperature, batch.first)
    if radius_y_MA is not None:
        supports_MAD = support_vectors(batch.own_y_MAD, batch.own_x_MAD, radius_y_MA, support)
        term_M = term_M + rows_share(supports_MAD, batch.all_x_MBD, temperature, batch.first)
    return infonce_share(batch, temperature) + as_member_scalar(alpha, term_M) * term_M


def nt_xent_share(batch: Spread, temperature: Scalar) -> Tensor:
    """Return this worker's share of :func:`trainer.losses.infonce.nt_xent`, shape [...]."""
    check_temperature(temperature)
    own_MAD = torch.cat([batch.own_x_MAD, batch.own_y_MAD], dim=-2)
    all_MND = torch.cat([batch.all_x_MBD, batch.all_y_MBD], dim=-2)
    tau_M11 = as_member_scalar(temperature, own_MAD)[..., None, None]
    logits_MAN = (own_MAD / tau_M11) @ all_MND.mT
    own, total = batch.own_x_MAD.shape[-2], batch.all_x_MBD.shape[-2]
    column_A = torch.arange(batch.first, batch.first + own, device=own_MAD.device)
    self_A1 = torch.cat([column_A, column_A + total])[:, None]
    partner_A1 = torch.cat([column_A + total, column_A])[:, None]
    is_self_AN = torch.arange(2 * total, device=own_MAD.device) == self_A1
    log_sums_MA = logits_MAN.masked_fill(is_self_AN, -torch.inf).logsumexp(dim=-1)
    leading = logits_MAN.shape[:-1]
    positives_MA = logits_MAN.gather(-1, partner_A1.expand(*leading, 1))[..., 0]
    return (log_sums_MA - positives_MA).sum(dim=-1) / (2 * total)


def siglip_share(batch: Spread, scale: Scalar, bias: Scalar) -> Tensor:
    """Return this worker's share of :func:`trainer.losses.siglip.siglip`, shape [...]."""
    members = member_shape(batch.own_x_MAD, scale, bias)
    x_MAD = stack_embeddings(batch.own_x_MAD, members)
    y_MBD = stack_embeddings(batch.all_y_MBD, members)
    scale_M, bias_M = (stack_scalar(s, members, like=x_MAD) for s in (scale, bias))
    largest_M = scale_M.detach().abs() + bias_M.detach().abs()
    total_M = choose_per_member(
        exp_is_safe(largest_M, terms=y_MBD.shape[-2]),
        partial(siglip_sum, first=batch.first),
        partial(_siglip_sum_plain, first=batch.first),
        *(x_MAD * scale_M[:, None, None], y_MBD, bias_M),
    )
    return (total_M / y_MBD.shape[-2]).reshape(members)


def _siglip_sum_plain(x_MAD: Tensor, y_MBD: Tensor, bias_M: Tensor, first: int) -> Tensor:
    logits_MAB = x_MAD @ y_MBD.mT + bias_M[:, None, None]
    column_B = torch.arange(y_MBD.shape[-2], device=x_MAD.device)
    is_partner_AB = column_B == column_B[first : first + x_MAD.shape[-2], None]
    return softplus(torch.where(is_partner_AB, -logits_MAB, logits_MAB)).sum(dim=(-2, -1))


def rows_share(
    anchors_MAD: Tensor, candidates_MBD: Tensor, temperature: Scalar, first: int
) -> Tensor:
    """Return the sum of -log softmax over own anchors, by the size of the whole batch."""
    members, anchors_MAD, candidates_MBD, tau_M = stack_pairs(
        anchors_MAD, candidates_MBD, temperature
    )
    total_M = surprise_sum(anchors_MAD, candidates_MBD, 1 / tau_M, first)
    return (total_M / candidates_MBD.shape[-2]).reshape(members)
