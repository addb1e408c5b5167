"""Couples: members that differ in objective alone, and how alike they stay over training.

One of them is the reference. All start from the same weights and see the same batches and views
(equal seeds), so what comes between them is the objective's doing.

Shape legend: M = members, N = evaluation images, F = encoder features, D = projection dims.
"""

from collections.abc import Mapping, Sequence

from torch import Tensor

from trainer.alignment import linear_cka, rsa, weight_gap
from trainer.cohort import Member


def group_couples(members: Sequence[Member]) -> list[tuple[Member, ...]]:
    """Return members of one couple together, all others alone, in the order of their firsts."""
    groups: dict[tuple[str, bool], list[Member]] = {}
    for member in members:
        is_coupled = member.couple is not None
        groups.setdefault((member.couple or member.trial, is_coupled), []).append(member)
    return [tuple(group) for group in groups.values()]


def find_references(members: Sequence[Member]) -> dict[int, int]:
    """Return, for each coupled member's position, that of its reference, if that is there too."""
    references = {m.couple: i for i, m in enumerate(members) if m.couple and m.is_reference}
    return {
        i: references[member.couple]
        for i, member in enumerate(members)
        if not member.is_reference and member.couple in references
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


_VECTORS = 2
"""Dimensions of stacked vectors: the gains of norms, which are called weights too."""
