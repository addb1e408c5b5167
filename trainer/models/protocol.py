"""What the stack expects of a model: an architecture over stacked members, without state.

Shape legend: M = members, N = samples (both views of a batch, one after the other), F = flat
inputs or features, D = embedding.
"""

from collections.abc import Sequence
from typing import Protocol

from torch import Tensor

Tensors = dict[str, Tensor]
"""Named tensors, each with one row per member."""


class Model(Protocol):
    """Encoder and projection head of M members; the caller holds parameters and statistics.

    Nothing crosses the member dimension: a member's numbers have the same bits whatever other
    members are in the call. Models of images know their shape and reshape the flat inputs.
    """

    @property
    def members_at_once(self) -> int | None:
        """Members that one call may hold, None for any number.

        With 1 (convolutions, transformers) the stack calls the model member by member, with
        parameters, statistics and inputs of one row each, so that the activations of one
        member are alive at a time.
        """
        ...

    def init_parameters(self, seeds: Sequence[int]) -> Tensors:
        """Draw float64 parameters, one member per seed; equal seeds get equal parameters."""
        ...

    def init_running(self, members: int) -> Tensors:
        """Return the running statistics at their start, one row per member; {} without any."""
        ...

    def select(self, keep: Sequence[int]) -> "Model":
        """Return the model of the members at these positions, in this order."""
        ...

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
