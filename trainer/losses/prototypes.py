"""Frozen class prototypes: orthonormal, random, simplex, and orthonormal ones knocked askew.

All of them are unit vectors drawn from a seed alone: the same seed gives the same prototypes on
every device, whatever else is drawn in the process. They are made in float64 on the CPU.

Shape legend: K = classes, D = embedding dim.
"""

import math

import torch
from torch import Tensor

from trainer.errors import PrototypeCountError


def draw_orthonormal(class_count: int, dim: int, seed: int) -> Tensor:
    """Return K orthonormal prototypes: the left singular vectors of a random (D, K) matrix.

    Args:
        class_count: Number of classes K >= 1.
        dim: Embedding dimension D >= K.
        seed: Seed of the random matrix.

    Returns:
        float64 prototypes, shape (K, D).

    Raises:
        PrototypeCountError: If K > D: no K orthonormal vectors exist in D dimensions.

    References:
        Li, Nguyen & Pimentel-Alarcón 2025, arXiv:2512.07880, section 4 (CLOP).
    """
    check_count(class_count, dim, needed_dim=class_count, what="orthonormal")
    gaussian_DK = draw_gaussian(dim, class_count, seed)
    left_DK: Tensor = torch.linalg.svd(gaussian_DK, full_matrices=False)[0]
    return left_DK.mT


def draw_random(class_count: int, dim: int, seed: int) -> Tensor:
    """Return K independent prototypes, uniform on the unit sphere, float64, shape (K, D)."""
    return unit(draw_gaussian(class_count, dim, seed))


def draw_simplex(class_count: int, dim: int, seed: int) -> Tensor:
    """Return a randomly oriented simplex equiangular tight frame (ETF).

    Any two of the K unit prototypes have the inner product -1 / (K - 1), the lowest that K
    vectors can share; they span K - 1 dimensions.

    Args:
        class_count: Number of classes K >= 1 (a single prototype is a random direction).
        dim: Embedding dimension D >= K - 1.
        seed: Seed of the orientation.

    Returns:
        float64 prototypes, shape (K, D).

    Raises:
        PrototypeCountError: If K - 1 > D.

    References:
        Papyan, Han & Donoho 2020, arXiv:2008.08186.
    """
    if class_count == 1:
        return draw_random(1, dim, seed)
    check_count(class_count, dim, needed_dim=class_count - 1, what="simplex (etf)")
    centred_KK = torch.eye(class_count, dtype=torch.float64) - 1 / class_count
    basis_KR = torch.linalg.eigh(centred_KK)[1][:, 1:]  # the eigenvalue 0 comes first
    frame_RD = draw_orthonormal(class_count - 1, dim, seed)
    return unit(basis_KR @ frame_RD)


def draw_degraded(class_count: int, dim: int, seed: int, angle_degrees: float) -> Tensor:
    """Return orthonormal prototypes, each turned by an angle towards its own random direction.

    Every prototype is rotated in the plane that it spans with an independent Gaussian vector,
    so its angle to the orthonormal one of the same seed is exactly ``angle_degrees``: 0 gives
    :func:`draw_orthonormal`, 90 independent random directions (each orthogonal to its origin).

    Args:
        class_count: Number of classes K >= 1.
        dim: Embedding dimension D >= max(K, 2).
        seed: Seed of both draws.
        angle_degrees: Angle of the turn, in [0, 90] degrees.

    Returns:
        float64 prototypes, shape (K, D).

    Raises:
        PrototypeCountError: If K > D.
        ValueError: If D is 1, where nothing can be turned.
    """
    if dim < 2:
        raise ValueError(f"degraded prototypes need an embedding dimension of 2 or more, got {dim}")
    start_KD = draw_orthonormal(class_count, dim, seed)
    generator = torch.Generator().manual_seed(seed)
    torch.randn(dim, class_count, generator=generator, dtype=torch.float64)  # used for the start
    toward_KD = torch.randn(class_count, dim, generator=generator, dtype=torch.float64)
    along_K1 = (toward_KD * start_KD).sum(dim=-1, keepdim=True)
    across_KD = unit(toward_KD - along_K1 * start_KD)
    angle = math.radians(angle_degrees)
    return math.cos(angle) * start_KD + math.sin(angle) * across_KD


def check_count(class_count: int, dim: int, needed_dim: int, what: str) -> None:
    """Raise PrototypeCountError, naming both numbers, unless ``needed_dim`` <= ``dim``."""
    if needed_dim > dim:
        raise PrototypeCountError(
            f"{class_count} {what} prototypes need an embedding dimension of at least "
            f"{needed_dim}, but it is {dim}: raise model.embed_dim or choose prototypes: random"
        )


def draw_gaussian(rows: int, columns: int, seed: int) -> Tensor:
    """Return standard normal entries from their own generator, float64, shape (rows, columns)."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(rows, columns, generator=generator, dtype=torch.float64)


def unit(vectors_KD: Tensor) -> Tensor:
    """Return the rows scaled to unit length (Gaussian rows are never zero)."""
    return torch.nn.functional.normalize(vectors_KD, dim=-1)
