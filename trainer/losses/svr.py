r"""Support vector regularisation (SVR): contrast from a point ahead of the anchor.

x holds the anchors of the first direction (in SupCLAP: texts), y their partners (audio); both are
L2-normalised by the caller. A radius is given per anchor as [..., B], or per member as [..., 1]; it
comes from :mod:`trainer.losses.radius`. Two radii mean both directions ("bi"), one means support
vectors of x only ("uni").

Shape legend: M = members (any leading dims), B = pairs, D = embedding dim.

References:
    Luo et al. 2025, "SupCLAP", arXiv:2509.21033.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from trainer.losses.fused_rows import one_way_infonce_fused
from trainer.losses.infonce import infonce, infonce_plain, one_way_infonce, similarity_logits
from trainer.losses.pairs import (
    Scalar,
    as_member_scalar,
    check_pairs,
    promote_half,
    stack_pairs,
)
from trainer.losses.rows import normalize_rows
from trainer.losses.siglip import siglip

SMALLEST_DISTANCE = 1e-6
"""Below this distance anchor and partner count as one point, which has no pull direction."""


@dataclass(frozen=True, slots=True)
class Support:
    """How support vectors are formed.

    Attributes:
        is_normalized: Bring t + R u back to the unit sphere. The published text does not.
        is_direction_detached: Cut the gradient through u. This removes the regularisation and
            exists as a negative control.
    """

    is_normalized: bool = False
    is_direction_detached: bool = False


PUBLISHED = Support()


def infonce_svr(
    x_MBD: Tensor,
    y_MBD: Tensor,
    temperature: Scalar,
    alpha: Scalar,
    radius_x_MB: Scalar,
    radius_y_MB: Scalar | None = None,
    support: Support = PUBLISHED,
) -> Tensor:
    r"""Return :math:`L_{InfoNCE} + \alpha L_{svr}` of each member.

    :math:`L_{svr}` is one direction of InfoNCE from the support vectors of x against all y, plus
    that from the support vectors of y against all x if ``radius_y_MB`` is given.

    Args:
        x_MBD: Anchors, L2-normalised by the caller, shape [..., B, D].
        y_MBD: Partners, same shape.
        temperature: tau > 0, a float or a tensor of shape [...].
        alpha: Weight of the regularisation, a float or a tensor of shape [...].
        radius_x_MB: R of the support vectors of x: a float, or a tensor of shape [..., B] or
            [..., 1]. 0 makes the term one more InfoNCE direction.
        radius_y_MB: R of the support vectors of y, or None for "uni".
        support: How support vectors are formed.

    Returns:
        One loss per member, shape [...], in nats.

    Raises:
        PairShapeError: If the batches do not match or are empty.
        ValueError: If a float temperature is not positive.
    """
    return add_support(
        partial(infonce, temperature=temperature),
        partial(one_way_svr, temperature=temperature),
        *(x_MBD, y_MBD, alpha, radius_x_MB, radius_y_MB, support),
    )


def infonce_svr_plain(
    x_MBD: Tensor,
    y_MBD: Tensor,
    temperature: Scalar,
    alpha: Scalar,
    radius_x_MB: Scalar,
    radius_y_MB: Scalar | None = None,
    support: Support = PUBLISHED,
) -> Tensor:
    """Reference form of :func:`infonce_svr`: the formula, differentiated by autograd."""
    return add_support(
        partial(infonce_plain, temperature=temperature),
        partial(one_way_svr_plain, temperature=temperature),
        *(x_MBD, y_MBD, alpha, radius_x_MB, radius_y_MB, support),
    )


def siglip_svr(
    x_MBD: Tensor,
    y_MBD: Tensor,
    scale: Scalar,
    bias: Scalar,
    alpha: Scalar,
    radius_x_MB: Scalar,
    radius_y_MB: Scalar | None = None,
    support: Support = PUBLISHED,
) -> Tensor:
    r"""Return :math:`L_{SigLIP} + \alpha L_{svr}`, where L_svr is SigLIP from support vectors.

    The published text has InfoNCE only; the sigmoid form with the support vector as anchor is
    this project's choice. Arguments are those of :func:`infonce_svr`, with ``scale`` and ``bias``
    as in :func:`trainer.losses.siglip.siglip`. For InfoNCE terms on a SigLIP base:
    ``add_support(partial(siglip, scale=k, bias=b), partial(one_way_svr, temperature=1 / k), ...)``.

    Returns:
        One loss per member, shape [...], in nats.

    Raises:
        PairShapeError: If the batches do not match or are empty.
    """
    form = partial(siglip, scale=scale, bias=bias)
    return add_support(form, form, x_MBD, y_MBD, alpha, radius_x_MB, radius_y_MB, support)


def add_support(
    base: Callable[[Tensor, Tensor], Tensor],
    term: Callable[[Tensor, Tensor], Tensor],
    x_MBD: Tensor,
    y_MBD: Tensor,
    alpha: Scalar,
    radius_x_MB: Scalar,
    radius_y_MB: Scalar | None = None,
    support: Support = PUBLISHED,
) -> Tensor:
    """Return base(x, y) + alpha * (term(supports of x, y) [+ term(supports of y, x)]).

    Args:
        base: The objective that is regularised.
        term: What support vectors are scored with; they are not unit rows.
        x_MBD, y_MBD, alpha, radius_x_MB, radius_y_MB, support: See :func:`infonce_svr`.
    """
    x_MBD, y_MBD = promote_half(x_MBD), promote_half(y_MBD)
    supports_MBD = support_vectors(x_MBD, y_MBD, radius_x_MB, support)
    term_M = term(supports_MBD, y_MBD.expand_as(supports_MBD))
    if radius_y_MB is not None:
        supports_MBD = support_vectors(y_MBD, x_MBD, radius_y_MB, support)
        term_M = term_M + term(supports_MBD, x_MBD.expand_as(supports_MBD))
    return base(x_MBD, y_MBD) + as_member_scalar(alpha, term_M) * term_M


def one_way_svr(supports_MBD: Tensor, partners_MBD: Tensor, temperature: Scalar) -> Tensor:
    """Return InfoNCE from support vectors against all partners, shape [...]; fused."""
    members, anchors_MBD, partners_MBD, tau_M = stack_pairs(supports_MBD, partners_MBD, temperature)
    return one_way_infonce_fused(anchors_MBD, partners_MBD, 1 / tau_M).reshape(members)


def one_way_svr_plain(supports_MBD: Tensor, partners_MBD: Tensor, temperature: Scalar) -> Tensor:
    """Reference form of :func:`one_way_svr`: the formula, differentiated by autograd."""
    return one_way_infonce(similarity_logits(supports_MBD, partners_MBD, temperature))


def support_vectors(
    anchors_MBD: Tensor,
    partners_MBD: Tensor,
    radius_MB: Scalar,
    support: Support = PUBLISHED,
) -> Tensor:
    r"""Return t + R u with the pull direction u = (a - t) / ||a - t||, shape [..., B, D].

    Where anchor and partner are closer than ``SMALLEST_DISTANCE`` u is 0, and so is its gradient:
    the support vector is the anchor and moves with it alone. So no pair's gradient is larger than
    1 + R / ``SMALLEST_DISTANCE`` times that of its support vector.

    Raises:
        PairShapeError: If the batches do not match or are empty.
    """
    check_pairs(anchors_MBD, partners_MBD)
    anchors_MBD, partners_MBD = promote_half(anchors_MBD), promote_half(partners_MBD)
    pull_MBD = partners_MBD - anchors_MBD
    distance_MB1: Tensor = torch.linalg.vector_norm(pull_MBD, dim=-1, keepdim=True)
    is_one_point_MB1 = distance_MB1 < SMALLEST_DISTANCE
    direction_MBD = pull_MBD / distance_MB1.masked_fill(is_one_point_MB1, 1.0)
    direction_MBD = direction_MBD.masked_fill(is_one_point_MB1, 0.0)
    if support.is_direction_detached:
        direction_MBD = direction_MBD.detach()
    radius_MB = as_member_scalar(radius_MB, anchors_MBD)
    radius_MB1 = radius_MB[..., None] if radius_MB.ndim else radius_MB
    supports_MBD = anchors_MBD + radius_MB1 * direction_MBD
    if support.is_normalized:
        supports_MBD = normalize_rows(supports_MBD)
    return supports_MBD
