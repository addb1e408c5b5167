"""Couples: members that differ in objective alone, and how alike they stay over training.

One of them is the reference. All start from the same weights and see the same batches and views
(equal seeds), so what comes between them is the objective's doing.

Shape legend: M = members, N = evaluation images, F = encoder features, D = projection dims.
"""

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from torch.nn.functional import normalize

from trainer.alignment import linear_cka, rsa, weight_gap
from trainer.cohort import Member
from trainer.losses.decoupled import cl, nscl
from trainer.objective_settings import CLSettings, NSCLSettings


def group_couples(members: Sequence[Member]) -> list[tuple[Member, ...]]:
    """Return members of one couple together, all others alone, in the order of their firsts."""
    groups: dict[tuple[str, bool], list[Member]] = {}
    for member in members:
        is_coupled = member.couple is not None
        groups.setdefault((member.couple or member.trial, is_coupled), []).append(member)
    return [tuple(group) for group in groups.values()]


def find_references(members: Sequence[Member]) -> dict[int, int]:
    """Return, for each coupled member's position, that of its reference, if that is there too."""
    references = {
        (m.couple, m.replicate): i for i, m in enumerate(members) if m.couple and m.is_reference
    }
    found = {
        i: references.get((member.couple, member.replicate))
        for i, member in enumerate(members)
        if member.couple and not member.is_reference
    }
    return {i: reference for i, reference in found.items() if reference is not None}


def find_unshared(members: Sequence[Member]) -> dict[int, int]:
    """Return, for each member's position, that of another replicate's reference, if it has one."""
    places = {member.trial: i for i, member in enumerate(members)}
    return {
        i: places[member.unshared]
        for i, member in enumerate(members)
        if member.unshared in places and member.couple is not None
    }


def measure_coupling(
    member: int,
    reference: int,
    features_MNF: Tensor,
    projections_MND: Tensor,
    parameters: Mapping[str, Tensor],
) -> dict[str, float]:
    """Return how alike a member and its reference are, by position.

    Args:
        member: Position of the member.
        reference: Position of its reference.
        features_MNF: Encoder features of the evaluation images, finite for both.
        projections_MND: Raw projections of the same images.
        parameters: Stacked parameters; weights of products and convolutions count as layers.

    Returns:
        ``cka_features``, ``cka_projections`` in [0, 1], ``rsa_features``, ``rsa_projections`` in
        [-1, 1], ``weight_gap`` in [0, 2], computed in float64.
    """
    layers = [p for n, p in parameters.items() if n.endswith("weight") and p.ndim > _VECTORS]
    gap = weight_gap([p[member] for p in layers], [p[reference] for p in layers])
    measures = {"weight_gap": gap}
    for name, stack in (("features", features_MNF), ("projections", projections_MND)):
        measures[f"cka_{name}"] = linear_cka(stack[member], stack[reference])
        measures[f"rsa_{name}"] = rsa(stack[member], stack[reference])
    return {name: float(value) for name, value in sorted(measures.items())}


def measure_loss_gap(
    member: Member, reference: Member, x_ND: Tensor, y_ND: Tensor, labels_N: Tensor
) -> dict[str, float]:
    r"""Return how far CL exceeds NSCL on an NSCL member's embeddings, and what its bound leaves.

    :math:`0 \le CL - NSCL \le \log(1 + n_{max} e^{2/\tau} / (N - n_{max}))` holds for any
    embeddings, N samples of which n_max are of the largest class. At most 256 of the samples are
    taken, spread evenly, as one batch.

    Args:
        member: The member.
        reference: Its reference.
        x_ND: Raw projections of the evaluation images, finite.
        y_ND: Raw projections of their second views, finite.
        labels_N: Their classes.

    Returns:
        ``loss_gap`` and ``loss_gap_slack`` (bound minus gap), in nats, computed in float64; {}
        for other kinds than NSCL against CL, or where all samples are of one class.

    References:
        Luthra et al. 2025, arXiv:2506.04411, theorem 1.
    """
    objective = member.objective
    is_pair = isinstance(objective, NSCLSettings) and isinstance(reference.objective, CLSettings)
    taken = torch.linspace(0, len(labels_N) - 1, min(len(labels_N), _GAP_SAMPLES)).long()
    labels_B = labels_N[taken.to(labels_N.device)]
    most, samples = int(labels_B.bincount().max()), len(labels_B)
    if not is_pair or most == samples:
        return {}
    assert isinstance(objective, NSCLSettings)
    rows = taken.to(x_ND.device)
    x_BD, y_BD = (normalize(raw_ND[rows].double(), dim=-1) for raw_ND in (x_ND, y_ND))
    tau = objective.temperature
    gap = float(cl(x_BD, y_BD, tau) - nscl(x_BD, y_BD, labels_B, tau))
    # log(1 + e^a) without overflow: e^{2 / tau} is beyond float64 at tau 0.005 times n.
    exponent = 2 / tau + math.log(most / (samples - most))
    bound = max(exponent, 0.0) + math.log1p(math.exp(-abs(exponent)))
    return {"loss_gap": gap, "loss_gap_slack": bound - gap}


_GAP_SAMPLES = 256

_VECTORS = 2
"""Dimensions of stacked vectors: the gains of norms, which are called weights too."""
