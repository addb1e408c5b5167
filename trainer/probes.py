"""How well frozen features separate classes: kNN, nearest class centre, linear probe.

Every probe fits on training features and scores test features; nothing of the test set enters
the fit. Each member is probed alone.

Shape legend: M = members (any number of leading dimensions), N = training samples, P = test
samples, D = feature dimension, C = classes.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from trainer.collapse.errors import EmbeddingShapeError
from trainer.collapse.members import map_members
from trainer.collapse.rows import check_embeddings, normalize_rows

Predict = Callable[[Tensor, Tensor], Tensor]


def knn_accuracy(
    train_MND: Tensor,
    train_labels_N: Tensor,
    test_MPD: Tensor,
    test_labels_P: Tensor,
    *,
    neighbours: int = 20,
) -> Tensor:
    """Return the accuracy of a majority vote among the nearest training rows by cosine.

    Args:
        train_MND: Training features [..., N, D], any scale.
        train_labels_N: Their classes, int64 [N], >= 0.
        test_MPD: Test features [..., P, D].
        test_labels_P: Their classes, int64 [P].
        neighbours: Votes k, each of weight 1; at most N count. Of classes with equal votes
            the smallest label wins.

    Returns:
        Tensor [...] in [0, 1], float64.

    Raises:
        EmbeddingShapeError: If shapes or labels do not fit, or ``neighbours`` < 1.
        NonFiniteEmbeddingError: If any entry is NaN or infinite.

    References:
        Wu et al., "Instance discrimination", CVPR 2018, arXiv:1805.01978 (kNN evaluation).
    """
    if neighbours < 1:
        raise EmbeddingShapeError(f"kNN needs at least 1 neighbour, got {neighbours}")
    votes = min(neighbours, train_MND.shape[-2]) if train_MND.ndim > 1 else 1

    def predict(train_ND: Tensor, test_PD: Tensor) -> Tensor:
        similarity_PN = (normalize_rows(test_PD) @ normalize_rows(train_ND).mT).float()
        nearest_Pk = similarity_PN.topk(votes, dim=1).indices
        classes_Pk = train_labels_N[nearest_Pk]
        ballot_PC = classes_Pk.new_zeros(len(test_PD), int(train_labels_N.max()) + 1)
        return ballot_PC.scatter_add(1, classes_Pk, torch.ones_like(classes_Pk)).argmax(dim=1)

    return _score(predict, train_MND, train_labels_N, test_MPD, test_labels_P)


def nccc_accuracy(
    train_MND: Tensor, train_labels_N: Tensor, test_MPD: Tensor, test_labels_P: Tensor
) -> Tensor:
    """Return the accuracy of the nearest class centre, Euclidean, centres from training rows.

    Args:
        train_MND: Training features [..., N, D], used as they are.
        train_labels_N: Their classes, int64 [N], >= 0. Classes without a row have no centre.
        test_MPD: Test features [..., P, D].
        test_labels_P: Their classes, int64 [P].

    Returns:
        Tensor [...] in [0, 1], float64. Of equally near centres the smallest label wins.

    Raises:
        EmbeddingShapeError: If shapes or labels do not fit.
        NonFiniteEmbeddingError: If any entry is NaN or infinite.

    References:
        Luthra et al., arXiv:2506.04411 (nearest class-centre classification).
    """

    def predict(train_ND: Tensor, test_PD: Tensor) -> Tensor:
        classes_C, centres_CD = class_centres(train_ND.double(), train_labels_N)
        # cdist's product form loses the digits that tell near centres apart.
        distances_PC = torch.cdist(
            test_PD.double(), centres_CD, compute_mode="donot_use_mm_for_euclid_dist"
        )
        return classes_C[distances_PC.argmin(dim=1)]

    return _score(predict, train_MND, train_labels_N, test_MPD, test_labels_P)


def linear_probe_accuracy(
    train_MND: Tensor,
    train_labels_N: Tensor,
    test_MPD: Tensor,
    test_labels_P: Tensor,
    *,
    weight_decay: float = 1e-3,
    max_steps: int = 200,
) -> Tensor:
    """Return the accuracy of multinomial logistic regression on frozen features.

    The features are centred and divided by one common scale (that of the training rows), so
    that the penalty means the same at any scale; the convex problem, mean cross-entropy +
    weight_decay / 2 * ||W||^2 with a free bias, is solved by full-batch L-BFGS from zero in
    float64. No seed, no learning rate.

    Args:
        train_MND: Training features [..., N, D].
        train_labels_N: Their classes, int64 [N], >= 0.
        test_MPD: Test features [..., P, D].
        test_labels_P: Their classes, int64 [P].
        weight_decay: L2 penalty on the weights, > 0, which makes the solution unique.
        max_steps: Most L-BFGS iterations.

    Returns:
        Tensor [...] in [0, 1], float64.

    Raises:
        EmbeddingShapeError: If shapes or labels do not fit, or a setting is not positive.
        NonFiniteEmbeddingError: If any entry is NaN or infinite.
    """
    if weight_decay <= 0 or max_steps < 1:
        raise EmbeddingShapeError(
            f"the probe needs weight_decay > 0 and max_steps >= 1, got {weight_decay} and "
            f"{max_steps}"
        )

    def predict(train_ND: Tensor, test_PD: Tensor) -> Tensor:
        mean_D = train_ND.double().mean(dim=0)
        centred_ND = train_ND.double() - mean_D
        scale = centred_ND.square().mean().sqrt()
        scale = torch.where(scale > 0, scale, 1.0)
        weight_DC, bias_C = fit_logistic_regression(
            centred_ND / scale, train_labels_N, weight_decay=weight_decay, max_steps=max_steps
        )
        return ((test_PD.double() - mean_D) / scale @ weight_DC + bias_C).argmax(dim=1)

    return _score(predict, train_MND, train_labels_N, test_MPD, test_labels_P)


def fit_logistic_regression(
    features_ND: Tensor, labels_N: Tensor, *, weight_decay: float, max_steps: int
) -> tuple[Tensor, Tensor]:
    """Return the weights [D, C] and biases [C] of one member's probe; C = largest label + 1."""
    classes = int(labels_N.max()) + 1
    # Bias as one more input, left out of the penalty.
    inputs_ND = torch.cat([features_ND, torch.ones_like(features_ND[:, :1])], dim=1)
    weights_DC = torch.zeros(
        inputs_ND.shape[1], classes, dtype=inputs_ND.dtype, device=inputs_ND.device
    ).requires_grad_()
    solver = torch.optim.LBFGS(
        [weights_DC],
        max_iter=max_steps,
        tolerance_grad=1e-8,
        tolerance_change=1e-12,
        line_search_fn="strong_wolfe",
    )

    def objective() -> Tensor:
        solver.zero_grad()
        penalty = weight_decay / 2 * weights_DC[:-1].square().sum()
        loss = torch.nn.functional.cross_entropy(inputs_ND @ weights_DC, labels_N) + penalty
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    with torch.enable_grad():
        solver.step(objective)  # type: ignore[no-untyped-call]
    return weights_DC.detach()[:-1], weights_DC.detach()[-1]


def class_centres(features_ND: Tensor, labels_N: Tensor) -> tuple[Tensor, Tensor]:
    """Return the labels present, ascending [C], and the mean feature of each, [C, D]."""
    counts = labels_N.bincount()
    classes_C = counts.nonzero().squeeze(1)
    sums = features_ND.new_zeros(len(counts), features_ND.shape[1])
    sums = sums.index_add(0, labels_N, features_ND)
    return classes_C, sums[classes_C] / counts[classes_C].unsqueeze(1)


def check_labels(features_MND: Tensor, labels_N: Tensor) -> None:
    """Refuse features that cannot be measured, or labels that do not fit them.

    Raises:
        EmbeddingShapeError: If the labels are not one non-negative int64 for each row.
        NonFiniteEmbeddingError: If any feature is NaN or infinite.
    """
    check_embeddings(features_MND)
    rows = features_MND.shape[-2]
    if labels_N.shape != (rows,) or labels_N.dtype != torch.int64 or bool((labels_N < 0).any()):
        raise EmbeddingShapeError(
            f"labels must be one non-negative int64 for each of {rows} rows, got "
            f"{labels_N.dtype} of shape {tuple(labels_N.shape)}"
        )


def _score(
    predict: Predict,
    train_MND: Tensor,
    train_labels_N: Tensor,
    test_MPD: Tensor,
    test_labels_P: Tensor,
) -> Tensor:
    check_labels(train_MND, train_labels_N)
    check_labels(test_MPD, test_labels_P)
    if train_MND.shape[-1] != test_MPD.shape[-1]:
        raise EmbeddingShapeError(
            f"training and test features need the same dimension, got {train_MND.shape[-1]} and "
            f"{test_MPD.shape[-1]}"
        )

    def accuracy(train_ND: Tensor, test_PD: Tensor) -> Tensor:
        return (predict(train_ND, test_PD) == test_labels_P).double().mean()

    return map_members(accuracy, train_MND, test_MPD)
