"""What the stack expects of a model: an architecture over stacked members, without state.

Shape legend: M = members, N = samples, F = flat inputs or features, D = embedding.
"""

from collections.abc import Sequence
from typing import Protocol, Self

from torch import Tensor

Tensors = dict[str, Tensor]
"""Named tensors, each with one row per member."""


class Tower(Protocol):
    """Encoder and projection head of M members, for rows of one kind.

    Nothing crosses the member dimension: a member's numbers have the same bits whatever other
    members are in the call. Rows are flat; towers of images know their shape.
    """

    def encode(
        self, parameters: Tensors, running: Tensors, inputs_MNF: Tensor, *, training: bool
    ) -> Tensor:
        """Return encoder features, shape (M, N, F'). Training updates ``running`` in place."""
        ...

    def project(
        self, parameters: Tensors, running: Tensors, features_MNF: Tensor, *, training: bool
    ) -> Tensor:
        """Return projections of encoder features, not normalised, shape (M, N, D)."""
        ...


class Model(Protocol):
    """One tower for both views of a batch, or one for each; the caller holds all tensors."""

    @property
    def members_at_once(self) -> int | None:
        """Members that one call may hold, None for any number.

        With 1 (convolutions, transformers) the stack calls the model member by member, with
        parameters, statistics and inputs of one row each, so that the activations of one
        member are alive at a time.
        """
        ...

    @property
    def towers(self) -> "tuple[Tower, ...]":
        """The tower of all views, or those of the first and of the second views.

        They take the parameters and statistics of the whole model.
        """
        ...

    def init_parameters(self, seeds: Sequence[int]) -> Tensors:
        """Draw float64 parameters, one member per seed; equal seeds get equal parameters."""
        ...

    def init_running(self, members: int) -> Tensors:
        """Return the running statistics at their start, one row per member; {} without any."""
        ...

    def select(self, keep: Sequence[int]) -> Self:
        """Return the model of the members at these positions, in this order."""
        ...


class SingleModel(Model, Tower, Protocol):
    """A model that is its own only tower."""
