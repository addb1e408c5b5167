"""How well a few labelled samples of each class tell the classes apart.

Shape legend: N = training samples, P = test samples, D = feature dimension.
"""

import torch
from torch import Tensor

from trainer.collapse.errors import EmbeddingShapeError
from trainer.probes import nccc_accuracy
from trainer.seeds import generator_for

EPISODES = 20


def few_shot_accuracy(
    train_ND: Tensor,
    train_labels_N: Tensor,
    test_PD: Tensor,
    test_labels_P: Tensor,
    *,
    shots: int,
    seed: int,
    episodes: int = EPISODES,
) -> Tensor:
    """Return the mean accuracy of the nearest class centre over episodes of a few samples.

    Every episode draws ``shots`` training samples of each class, all where a class has fewer, and
    classifies all test samples by the centres of those.

    Args:
        train_ND: Training features [N, D].
        train_labels_N: Their classes, int64 [N], >= 0.
        test_PD: Test features [P, D].
        test_labels_P: Their classes, int64 [P].
        shots: Samples of each class, >= 1.
        seed: Equal seeds draw equal episodes.
        episodes: How many are averaged, >= 1.

    Returns:
        Scalar in [0, 1], float64.

    Raises:
        EmbeddingShapeError: If shapes or labels do not fit, or ``shots`` or ``episodes`` < 1.
        NonFiniteEmbeddingError: If any feature is NaN or infinite.

    References:
        Snell et al., arXiv:1703.05175 (class centres of few samples); Luthra et al.,
        arXiv:2506.04411 (few-shot error of CL and NSCL).
    """
    if shots < 1 or episodes < 1:
        raise EmbeddingShapeError(f"expected shots and episodes >= 1, got {shots} and {episodes}")
    draws = [draw_shots(train_labels_N, shots, seed, episode) for episode in range(episodes)]
    accuracies = [
        nccc_accuracy(train_ND[rows], train_labels_N[rows], test_PD, test_labels_P)
        for rows in draws
    ]
    return torch.stack(accuracies).mean()


def draw_shots(labels_N: Tensor, shots: int, seed: int, episode: int) -> Tensor:
    """Return the rows of one episode: ``shots`` of each class, int64, ascending."""
    order_N = torch.randperm(len(labels_N), generator=generator_for(seed, "few-shot", episode))
    shuffled_N = labels_N.cpu()[order_N]
    classes = sorted(set(shuffled_N.tolist()))
    taken = [order_N[shuffled_N == label][:shots] for label in classes]
    return torch.cat(taken).sort().values.to(labels_N.device)
