"""What every two-view objective asks of its arguments.

Shape legend: M = members (any number of leading dims), B = pairs in the batch, D = embedding dim.
"""

import torch
from torch import Tensor

Scalar = float | Tensor
"""A number all members share, or a tensor of shape [...] with one number per member."""


class PairShapeError(ValueError):
    """The two views do not form a batch of pairs."""


def check_pairs(x_MBD: Tensor, y_MBD: Tensor) -> None:
    """Refuse anything but two equally shaped, non-empty batches of floating-point rows.

    Raises:
        PairShapeError: If the shapes differ, a row dimension is missing, the batch is empty, or
            the entries are not floating-point.
    """
    if x_MBD.shape != y_MBD.shape or x_MBD.ndim < 2 or x_MBD.numel() == 0:
        raise PairShapeError(
            "x_MBD and y_MBD must be equally shaped, non-empty [..., B, D] batches, got "
            f"{tuple(x_MBD.shape)} and {tuple(y_MBD.shape)}"
        )
    if not (x_MBD.is_floating_point() and y_MBD.is_floating_point()):
        raise PairShapeError(f"embeddings must be floating-point, got {x_MBD.dtype}, {y_MBD.dtype}")


def promote_half(embeddings_MBD: Tensor) -> Tensor:
    """Return float16 and bfloat16 as float32, others untouched.

    Logits reach 1 / temperature, where neighbouring bfloat16 numbers are whole units apart.
    """
    if embeddings_MBD.dtype in (torch.float16, torch.bfloat16):
        return embeddings_MBD.float()
    return embeddings_MBD


def as_member_scalar(value: Scalar, like: Tensor) -> Tensor:
    """Return a scalar setting as a tensor of ``like``'s dtype and device, shape [...] or [].

    Floats and tensors take the same route from here, so they give the same bits.
    """
    if isinstance(value, Tensor) and value.dtype == like.dtype and value.device == like.device:
        return value
    return torch.as_tensor(value, dtype=like.dtype, device=like.device)


def check_temperature(temperature: Scalar) -> None:
    """Refuse a temperature that is not positive (tensors are trusted: no device sync).

    Raises:
        ValueError: If a float temperature is zero, negative or NaN.
    """
    if not isinstance(temperature, Tensor) and not temperature > 0:
        raise ValueError(f"temperature must be positive, got {temperature}")


def member_shape(x_MBD: Tensor, *scalars: Scalar) -> torch.Size:
    """Return the leading dims of a call, embeddings and scalars broadcast against each other."""
    shapes = [scalar.shape for scalar in scalars if isinstance(scalar, Tensor)]
    leading = x_MBD.shape[:-2]
    if all(shape == leading[len(leading) - len(shape) :] for shape in shapes):
        return leading  # as in training; torch.broadcast_shapes takes 40 us
    return torch.Size(torch.broadcast_shapes(x_MBD.shape[:-2], *shapes))  # type: ignore[no-untyped-call]


def stack_embeddings(embeddings_MBD: Tensor, members: torch.Size) -> Tensor:
    """Return embeddings with exactly one leading dim, in at least float32."""
    if len(members) == 1 and embeddings_MBD.shape[:-2] == members:
        return promote_half(embeddings_MBD)
    rows_BD = embeddings_MBD.shape[-2:]
    return promote_half(embeddings_MBD).expand(*members, *rows_BD).reshape(-1, *rows_BD)


def stack_scalar(value: Scalar, members: torch.Size, like: Tensor) -> Tensor:
    """Return a scalar setting as one number per member, shape [M], in ``like``'s dtype."""
    value_M = as_member_scalar(value, like)
    if len(members) == 1 and value_M.shape == members:
        return value_M
    return value_M.expand(members).reshape(-1)


def stack_pairs(
    x_MBD: Tensor, y_MBD: Tensor, temperature: Scalar
) -> tuple[torch.Size, Tensor, Tensor, Tensor]:
    """Return the leading dims of a call, and x, y and tau with exactly one leading dim.

    Raises:
        ValueError: If a float temperature is zero, negative or NaN.
    """
    check_temperature(temperature)
    members = member_shape(x_MBD, temperature)
    x_MBD, y_MBD = stack_embeddings(x_MBD, members), stack_embeddings(y_MBD, members)
    return members, x_MBD, y_MBD, stack_scalar(temperature, members, like=x_MBD)
