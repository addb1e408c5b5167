"""Naive float64 loops of the objectives that compare all views; they share no code with ours."""

import math

from torch import Tensor

from tests.trainer.losses.references import dot, log_sum_exp


def all_views(x: Tensor, y: Tensor, labels: list[int]) -> list[tuple[Tensor, int, int]]:
    """Return (row, pair, label) of all 2B views."""
    pairs = range(len(x))
    return [(view[i], i, labels[i]) for view in (x, y) for i in pairs]


def loop_supcon(x: Tensor, y: Tensor, labels: list[int], tau: float) -> float:
    views = all_views(x, y, labels)
    total = 0.0
    for i, (anchor, _, label) in enumerate(views):
        logits = {j: dot(anchor, row) / tau for j, (row, _, _) in enumerate(views) if j != i}
        positives = [logits[j] for j in logits if views[j][2] == label]
        total += sum(log_sum_exp(list(logits.values())) - p for p in positives) / len(positives)
    return total / len(views)


def loop_supcon_cross_view(x: Tensor, y: Tensor, labels: list[int], tau: float) -> float:
    total = 0.0
    for anchors, others in ((x, y), (y, x)):
        for i, anchor in enumerate(anchors):
            logits = [dot(anchor, other) / tau for other in others]
            positives = [s for j, s in enumerate(logits) if labels[j] == labels[i]]
            total += (log_sum_exp(logits) - log_sum_exp(positives)) / len(anchors)
    return total


def loop_decoupled(
    x: Tensor,
    y: Tensor,
    groups: list[int],
    tau: float,
    positive_in_denominator: bool = False,
    weights: list[float] | None = None,
) -> float:
    """NSCL with ``groups`` as labels; CL when every pair is its own group."""
    views = all_views(x, y, groups)
    losses = []
    for i, (anchor, pair, group) in enumerate(views):
        partner = (i + len(x)) % len(views)
        positive = dot(anchor, views[partner][0]) / tau
        pushes = [dot(anchor, row) / tau for row, _, other in views if other != group]
        if pushes:
            candidates = [*pushes, positive] if positive_in_denominator else pushes
            weight = weights[pair] if weights else 1.0
            losses.append(log_sum_exp(candidates) - weight * positive)
    return sum(losses) / len(losses)


def loop_focal(
    x: Tensor,
    y: Tensor,
    labels: list[int],
    tau: float,
    gamma: float,
    eta: float,
    normalizer: str,
) -> float:
    views = all_views(x, y, labels)
    total = 0.0
    for i, (anchor, _, label) in enumerate(views):
        logits = {j: dot(anchor, row) / tau for j, (row, _, _) in enumerate(views) if j != i}
        pull = push = 0.0
        positives = 0
        for j, logit in logits.items():
            others = [other for k, other in logits.items() if k != j]
            log_p = logit - log_sum_exp(list(logits.values()))
            log_not_p = log_sum_exp(others) - log_sum_exp(list(logits.values()))
            if views[j][2] == label:
                positives += 1
                pull += math.exp(gamma * log_not_p) * log_p
            else:
                push += log_not_p
        total -= (pull + eta * push) / (positives if normalizer == "positives" else len(views))
    return total / len(views)
