"""How alike two representations of the same samples are: linear CKA, RSA, weight gap.

Both similarities are cosines between centred N x N matrices, but neither builds one: with
features X [N, D] and Y [N, E], ||Y'X||_F gives the inner product of XX' and YY' in O(N D E)
time and O(D E) memory, so whole test sets are compared.

Shape legend: M = members (any number of leading dimensions, broadcast between the two sides,
so that many members can be compared with one), N = samples, D, E = feature dimensions.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from trainer.collapse.errors import EmbeddingShapeError
from trainer.collapse.members import map_members
from trainer.collapse.rows import check_embeddings, normalize_rows, round_off_variance


def linear_cka(
    x_MND: Tensor, y_MNE: Tensor, *, normalize_rows_first: bool = False, debiased: bool = False
) -> Tensor:
    r"""Return :math:`\|Y_c'X_c\|_F^2 / (\|X_c'X_c\|_F \|Y_c'Y_c\|_F)`, columns centred.

    Args:
        x_MND: Features [..., N, D].
        y_MNE: Features [..., N, E] of the same samples in the same order.
        normalize_rows_first: L2-normalise rows before centring, as the theory of
            arXiv:2510.08852 has it; its released code does not.
        debiased: Use the unbiased HSIC estimator, which does not grow with D / N. Needs
            N >= 4.

    Returns:
        Tensor [...], float64: in [0, 1], debiased in [-1, 1]. 1 when one side is a rotation
        and scaling of the other. 0 when a side has no variance beyond the round-off of its
        dtype: nothing is left to align, which a fully collapsed member reaches.

    Raises:
        EmbeddingShapeError: If N differs or is too small, or members do not broadcast.
        NonFiniteEmbeddingError: If any entry is NaN or infinite.

    References:
        Kornblith et al., ICML 2019, arXiv:1905.00414; Song et al., JMLR 2012, eq. 5 (unbiased
        HSIC), used so by Nguyen et al., arXiv:2010.15327.
    """
    check_same_samples(x_MND, y_MNE, min_rows=4 if debiased else 2)
    inner = _debiased_inner if debiased else _gram_inner

    def cka(x_ND: Tensor, y_NE: Tensor) -> Tensor:
        centred_x_ND = centre_features(x_ND, normalize_rows_first=normalize_rows_first)
        centred_y_NE = centre_features(y_NE, normalize_rows_first=normalize_rows_first)
        squares = [
            _drop_round_off(inner(centred, centred), centred.square().sum().square(), dtype)
            for centred, dtype in ((centred_x_ND, x_ND.dtype), (centred_y_NE, y_NE.dtype))
        ]
        return _cosine(inner(centred_x_ND, centred_y_NE), *squares)

    return map_members(cka, x_MND, y_MNE)


def rsa(x_MND: Tensor, y_MNE: Tensor) -> Tensor:
    """Return the Pearson correlation of the two cosine-dissimilarity matrices.

    The dissimilarities 1 - cosine are taken over the strict lower triangle.

    Args:
        x_MND: Features [..., N, D], N >= 3.
        y_MNE: Features [..., N, E] of the same samples in the same order.

    Returns:
        Tensor [...] in [-1, 1], float64; 0 when a side's dissimilarities are all equal, as
        they are in a fully collapsed member.

    Raises:
        EmbeddingShapeError: If N differs or is too small, or members do not broadcast.
        NonFiniteEmbeddingError: If any entry is NaN or infinite.

    References:
        Kriegeskorte et al., "Representational similarity analysis", 2008; arXiv:2510.08852.
    """
    check_same_samples(x_MND, y_MNE, min_rows=3)

    def correlate(x_ND: Tensor, y_NE: Tensor) -> Tensor:
        return _cosine(*dissimilarity_moments(x_ND, y_NE))

    return map_members(correlate, x_MND, y_MNE)


def weight_gap(
    layers_a: Sequence[Tensor], layers_b: Sequence[Tensor], *, member_dims: int = 0
) -> Tensor:
    r"""Return the mean over layers of :math:`\|W_a - W_b\| / (\tfrac12(\|W_a\| + \|W_b\|))`.

    Args:
        layers_a: Weights of each layer, [..., *weight shape].
        layers_b: The same layers of the other network.
        member_dims: How many leading dimensions of each tensor are members.

    Returns:
        Tensor of the member shape, float64, in [0, 2]: 0 for equal weights, 2 for opposite
        ones. A layer that is zero on both sides has gap 0.

    Raises:
        EmbeddingShapeError: If there are no layers, or their numbers or shapes differ.

    References:
        arXiv:2510.08852 (weight-space coupling).
    """
    if not layers_a or [a.shape for a in layers_a] != [b.shape for b in layers_b]:
        raise EmbeddingShapeError(
            "weight_gap needs the same layers on both sides, at least one; got shapes "
            f"{[tuple(a.shape) for a in layers_a]} and {[tuple(b.shape) for b in layers_b]}"
        )
    gaps = [_layer_gap(a, b, member_dims) for a, b in zip(layers_a, layers_b, strict=True)]
    return torch.stack(gaps).mean(dim=0)


def centre_features(features_ND: Tensor, *, normalize_rows_first: bool) -> Tensor:
    """Return one member's centred features, float64; exactly zero where only round-off is left.

    Without row normalisation they are divided by their largest entry, so that fourth powers
    neither under- nor overflow: every measure here is blind to that scale.
    """
    if normalize_rows_first:
        rows_ND = normalize_rows(features_ND)
    else:
        peak = features_ND.double().abs().max()
        rows_ND = features_ND.double() / torch.where(peak > 0, peak, 1.0)
    centred_ND = rows_ND - rows_ND.mean(dim=0)
    round_off = round_off_variance(features_ND.dtype) * rows_ND.square().sum()
    return torch.where(centred_ND.square().sum() > round_off, centred_ND, 0.0)


def dissimilarity_moments(x_ND: Tensor, y_NE: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return (cov, var_x, var_y) of the cosines over ordered pairs i != j, as sums.

    With z = m + w, m the mean of the unit rows, a cosine is |m|^2 + a_i + a_j + w_i.w_j where
    a = W m. The constant drops out of a covariance, so near collapse, where all cosines are
    almost 1, nothing large is subtracted from something large.
    """
    own_x, own_y = _CosineParts(x_ND), _CosineParts(y_NE)
    return own_x.covariance(own_y), own_x.variance(), own_y.variance()


class _CosineParts:
    """The cosines of one member's rows, split around the mean of the unit rows."""

    def __init__(self, features_ND: Tensor) -> None:
        rows_ND = normalize_rows(features_ND)
        mean_D = rows_ND.mean(dim=0)
        self.dtype = features_ND.dtype
        self.rows_ND = centre_features(features_ND, normalize_rows_first=True)
        self.lean_N = self.rows_ND @ mean_D
        self.square_N = self.rows_ND.square().sum(dim=-1)

    def covariance(self, other: "_CosineParts") -> Tensor:
        """Sum (c_ij - mean c)(c'_ij - mean c') over ordered pairs i != j.

        Uses that a, W and a' W' sum to zero over samples, so most cross terms vanish.
        """
        n = len(self.lean_N)
        leaning = 2 * (n - 2) * self.lean_N.dot(other.lean_N)
        mixed = -2 * (self.lean_N.dot(other.square_N) + other.lean_N.dot(self.square_N))
        inner = (self.rows_ND.mT @ other.rows_ND).square().sum() - self.square_N.dot(other.square_N)
        means = self.square_N.sum() * other.square_N.sum() / (n * (n - 1))
        return leaning + mixed + inner - means

    def variance(self) -> Tensor:
        """Sum the squared deviations of the cosines; 0 where they are equal but for round-off."""
        scale = len(self.lean_N) * self.square_N.sum()
        return _drop_round_off(self.covariance(self), scale, self.dtype)


def _gram_inner(x_ND: Tensor, y_NE: Tensor) -> Tensor:
    """Return the inner product of the Gram matrices XX' and YY' of centred features."""
    return (x_ND.mT @ y_NE).square().sum()


def _debiased_inner(x_ND: Tensor, y_NE: Tensor) -> Tensor:
    """Return the inner product of the U-centred Gram matrices: n(n-3) times unbiased HSIC.

    Song et al. eq. 5 with K~ the Gram matrix without its diagonal: since the features are
    centred, K~ 1 is minus the diagonal, and 1'K~1 minus its sum.
    """
    n = x_ND.shape[0]
    square_x_N, square_y_N = x_ND.square().sum(dim=-1), y_NE.square().sum(dim=-1)
    product = square_x_N.dot(square_y_N)
    trace = _gram_inner(x_ND, y_NE) - product
    totals = square_x_N.sum() * square_y_N.sum() / ((n - 1) * (n - 2))
    return trace + totals - 2 * product / (n - 2)


def _drop_round_off(square: Tensor, scale: Tensor, dtype: torch.dtype) -> Tensor:
    """Return a sum of squares, or 0 where rounding to ``dtype`` explains it at this scale."""
    relative = max(round_off_variance(dtype), 64 * torch.finfo(torch.float64).eps)
    return torch.where(square > relative * scale, square, 0.0)


def _cosine(inner: Tensor, square_x: Tensor, square_y: Tensor) -> Tensor:
    norms = square_x.sqrt() * square_y.sqrt()
    return torch.where(norms > 0, inner / torch.where(norms > 0, norms, 1.0), 0.0)


def _layer_gap(a: Tensor, b: Tensor, member_dims: int) -> Tensor:
    a, b = a.double(), b.double()
    weight_dims = tuple(range(member_dims, a.ndim)) if a.ndim > member_dims else (-1,)
    if a.ndim == member_dims:
        a, b = a.unsqueeze(-1), b.unsqueeze(-1)
    difference, norm_a, norm_b = (t.square().sum(dim=weight_dims).sqrt() for t in (a - b, a, b))
    mean_norm = (norm_a + norm_b) / 2
    return torch.where(mean_norm > 0, difference / torch.where(mean_norm > 0, mean_norm, 1.0), 0.0)


def check_same_samples(x_MND: Tensor, y_MNE: Tensor, *, min_rows: int) -> None:
    """Refuse two sides that cannot be compared row by row.

    Raises:
        EmbeddingShapeError: If N differs or is below ``min_rows``.
        NonFiniteEmbeddingError: If any entry is NaN or infinite.
    """
    check_embeddings(x_MND, min_rows=min_rows)
    check_embeddings(y_MNE, min_rows=min_rows)
    if x_MND.shape[-2] != y_MNE.shape[-2]:
        raise EmbeddingShapeError(
            f"both sides need the same samples, got {x_MND.shape[-2]} and {y_MNE.shape[-2]} rows"
        )
