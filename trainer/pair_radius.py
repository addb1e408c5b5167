"""How far apart a member's pairs are, and what support vectors make of it.

Shape legend: M = members of one group, B = pairs of the probe batch, D = dimension, S = sides
that have support vectors (1 or 2).
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace

import torch
from torch import Tensor

from trainer.losses.svr import SMALLEST_DISTANCE, support_vectors
from trainer.objective import Objective, ObjectiveBatch
from trainer.objectives.stack import unit_views
from trainer.objectives.support_vector import Regularized


def radius_measures(
    objective: Objective, parameters: Mapping[str, Tensor], batch: ObjectiveBatch
) -> list[dict[str, float]]:
    r"""Return each member's distances and radii on a probe batch.

    ``perpendicular_share`` is what SVR leaves of the negatives' push perpendicular to the pull.
    Negative j pushes an anchor off by
    :math:`[P_j + \alpha P_{sup,j} (1 - R/d)] / \tau` perpendicular to the pull, where without the
    pull's own motion it would be :math:`[P_j + \alpha P_{sup,j}] / \tau`; the share is the ratio
    of both sums over all anchors that have support vectors. The base alone has 1, and so has
    R = 0 or a detached pull; R = d leaves the base's part. On a SigLIP base, P_j / tau is
    k sigma(k t . a_j + b). For normalised support vectors it is the push perpendicular to the
    anchor too. What an anchor is spared, its partner takes (the support vector moves with it by
    R/d across the pull); the share is of the anchor's part alone.

    Args:
        objective: Of one group of M members.
        parameters: The objective's, as trained so far.
        batch: Raw projections of a fixed probe batch. Its size is that of a training batch for
            DynamicSVR, whose networks have that width.

    Returns:
        Per member ``pair_distance`` (mean d of unit rows, in [0, 2]), and of objectives with a
        radius ``radius`` (mean R over anchors and sides), ``radius_over_distance`` (mean of R /
        d) and ``perpendicular_share``. A number that is not finite is left out; {} where a
        projection is not finite. A member's are the same whatever else is in the stack.

    Raises:
        PredictorWidthError: If DynamicSVR's networks are for another number of pairs.

    References:
        Luo et al., "SupCLAP", arXiv:2509.21033, Figs. 3, 6 and 7. The factor (1 - R/d) falls on
        the support vectors' part alone, as the chain rule has it.
    """
    measures = []
    for member in range(len(batch.views_MND)):
        own = {name: value[[member]].detach() for name, value in parameters.items()}
        likeness_MSBB = batch.likeness_MSBB
        row = replace(
            batch,
            views_MND=batch.views_MND[[member]].detach(),
            labels_MB=batch.labels_MB[[member]],
            labelled_MB=batch.labelled_MB[[member]],
            likeness_MSBB=None if likeness_MSBB is None else likeness_MSBB[[member]],
        )
        measures.append(_measure_alone(objective.select([member]), own, row))
    return measures


@torch.no_grad()
def _measure_alone(
    objective: Objective, parameters: Mapping[str, Tensor], batch: ObjectiveBatch
) -> dict[str, float]:
    """Measure a stack of one member."""
    if not batch.views_MND.isfinite().all():
        return {}
    x_1BD, y_1BD = unit_views(batch)
    distance_1B = torch.linalg.vector_norm((y_1BD - x_1BD).double(), dim=-1)
    measures = {"pair_distance": distance_1B.mean()}
    if isinstance(objective, Regularized):
        radii = objective.radii(parameters, x_1BD, y_1BD, batch.likeness_MSBB)
        measures |= _measure_support(objective, parameters, x_1BD, y_1BD, distance_1B, radii)
    values = {name: float(value) for name, value in measures.items()}
    return {name: value for name, value in values.items() if math.isfinite(value)}


def _measure_support(
    objective: Regularized,
    parameters: Mapping[str, Tensor],
    x_1BD: Tensor,
    y_1BD: Tensor,
    distance_1B: Tensor,
    radii: tuple[Tensor, Tensor | None],
) -> dict[str, Tensor]:
    radius_x, radius_y = radii
    sides = [(x_1BD, y_1BD, radius_x)]
    if radius_y is not None:
        sides.append((y_1BD, x_1BD, radius_y))
    radius_SB = torch.cat([radius.expand_as(distance_1B) for *_, radius in sides]).double()
    ratio_SB = radius_SB / distance_1B.clamp_min(SMALLEST_DISTANCE)
    kept_SB = torch.ones_like(ratio_SB)
    if not objective.support.is_direction_detached:
        # Without a pull nothing is perpendicular to it: the support vector is the anchor.
        kept_SB = torch.where(distance_1B < SMALLEST_DISTANCE, 1.0, 1 - ratio_SB)
    pushes = [_pushes(objective, parameters, *side) for side in sides]
    base_SB, support_SB = (torch.cat(part).double() for part in zip(*pushes, strict=True))
    return {
        "radius": radius_SB.mean(),
        "radius_over_distance": ratio_SB.mean(),
        "perpendicular_share": (base_SB + kept_SB * support_SB).sum()
        / (base_SB + support_SB).sum(),
    }


def _pushes(
    objective: Regularized,
    parameters: Mapping[str, Tensor],
    anchors_1BD: Tensor,
    partners_1BD: Tensor,
    radius_1B: Tensor,
) -> Iterator[Tensor]:
    """Yield the push on anchors, shape (1, B): in the base, and through their support vectors."""
    yield objective.scoring.base_push(parameters)(anchors_1BD, partners_1BD)
    raw = replace(objective.support, is_normalized=False)
    supports_1BD = support_vectors(anchors_1BD, partners_1BD, radius_1B, raw)
    weight_1B = objective.alpha_M[:, None]
    if objective.support.is_normalized:
        length_1B1 = torch.linalg.vector_norm(supports_1BD, dim=-1, keepdim=True)
        supports_1BD = supports_1BD / length_1B1
        weight_1B = weight_1B / length_1B1[..., 0]
    yield weight_1B * objective.scoring.term_push(parameters)(supports_1BD, partners_1BD)
