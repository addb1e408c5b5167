"""Naive float64 loops of the objectives that compare all views; they share no code with ours."""

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
