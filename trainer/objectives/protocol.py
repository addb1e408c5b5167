"""What the training loop hands to an objective, and what it expects of one.

Shape legend: M = members, B = pairs in the batch, N = 2B rows, D = embedding dim, S = 2 sides.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class ObjectiveBatch:
    """One batch of pairs, embedded by every member.

    Attributes:
        views_MND: Raw (un-normalised) projections, first views before second ones, (M, 2B, D).
        labels_MB: Class of each pair, int64, shape (M, B).
        labelled_MB: Whether a sample's label may be used (label fraction), bool, shape (M, B).
        is_unit: The rows have unit length already, and objectives on unit rows take them as they
            are: what autograd returns is then the gradient in the ambient space, not its part
            along the sphere. For measuring only; training hands over raw projections.
        likeness_MSBB: Cosines of frozen features of the first views with each other, and of the
            second ones, (M, 2, B, B); None where no objective asks for them, or there are none.
    """

    views_MND: Tensor
    labels_MB: Tensor
    labelled_MB: Tensor
    is_unit: bool = False
    likeness_MSBB: Tensor | None = None

    @property
    def pair(self) -> tuple[Tensor, Tensor]:
        """Return the first and the second views, each (M, B, D)."""
        x_MBD, y_MBD = self.views_MND.chunk(2, dim=1)
        return x_MBD, y_MBD


@dataclass(frozen=True, slots=True)
class ObjectiveContext:
    """What an objective has to know before the first batch.

    Attributes:
        batch_size: Pairs per batch B (of all workers together).
        embed_dim: Embedding dimension D.
        class_count: Number of classes K; labels lie in [0, K).
        seeds: One per member: prototypes and learnable parameters are drawn from it alone.
        device: Where the members are trained.
        dtype: Their floating-point type.
    """

    batch_size: int
    embed_dim: int
    class_count: int
    seeds: tuple[int, ...]
    device: torch.device
    dtype: torch.dtype


class Objective(Protocol):
    """A loss bound to a stack of M members that differ in scalars (and prototypes) only."""

    def init_parameters(self) -> dict[str, Tensor]:
        """Return the learnable tensors of the objective itself, each (M, ...); {} if none."""
        ...

    def __call__(self, parameters: Mapping[str, Tensor], batch: ObjectiveBatch) -> Tensor:
        """Return the loss of each member, shape (M,).

        A member's loss and gradient have the same bits whatever other members are in the stack.

        Args:
            parameters: What :meth:`init_parameters` returned, as trained so far.
            batch: Projections and labels of the same M members.
        """
        ...

    def differentiate(self, batch: ObjectiveBatch) -> tuple[Tensor, Tensor] | None:
        """Return losses, (M,), and the gradient of their sum by the raw projections, (M, N, D).

        None if the objective does not know its gradient, learns parameters of its own, or takes
        another form for such a batch: autograd is asked then. The bits are autograd's.
        """
        ...

    def select(self, keep: Sequence[int]) -> "Objective":
        """Return the objective of the members at these positions, in this order.

        The caller selects the rows of the parameters alike.
        """
        ...
