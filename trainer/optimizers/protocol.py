"""What the stack expects of an optimiser.

torch.optim takes one learning rate per parameter tensor; here each member is one row of every
tensor and has its own.

Shape legend: M = members; parameters are (M, ...).
"""

from collections.abc import Mapping
from typing import Protocol

import torch
from torch import Tensor

from trainer.errors import StackStateError

Tensors = dict[str, Tensor]


class Optimizer(Protocol):
    """Updates stacked parameters in place; a member's bits don't depend on its neighbours."""

    def step(self, parameters: Tensors, gradients: Tensors) -> None:
        """Take one step; ``gradients`` has the names and shapes of ``parameters``."""
        ...

    def select(self, keep: Tensor) -> None:
        """Keep only the members at the positions ``keep`` (int64, shape (K,))."""
        ...

    def state(self) -> Tensors:
        """Return all that the next step depends on but the settings, by flat names.

        ``steps`` is the number of steps done, int64 without dimensions; every other tensor has
        one row per member, and is the optimiser's own: copy it to keep it.
        """
        ...

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Go on from what :meth:`state` returned for the same members, in the same order.

        Raises:
            StackStateError: If the state is that of another optimiser.
        """
        ...


def rows(values_M: Tensor, like: Tensor) -> Tensor:
    """Return one number per member so that it broadcasts against ``like`` (M, ...)."""
    return values_M.view(-1, *[1] * (like.ndim - 1))


def pack_slots(steps: int, **slots: Tensors) -> Tensors:
    """Return the flat state of an optimiser: ``steps``, and ``slot/name`` per slot tensor."""
    packed = {"steps": torch.tensor(steps)}
    for slot, tensors in slots.items():
        packed |= {f"{slot}/{name}": tensor for name, tensor in tensors.items()}
    return packed


def unpack_slots(state: Mapping[str, Tensor], *slots: str) -> tuple[int, list[Tensors]]:
    """Return the steps done and copies of the tensors of each slot.

    Raises:
        StackStateError: If ``state`` holds anything else.
    """
    found = {name.partition("/")[0] for name in state}
    if "steps" not in state or not found <= {"steps", *slots}:
        raise StackStateError(
            f"an optimiser's state with the slots {', '.join(slots) or 'none'} was expected, got "
            f"{', '.join(sorted(found)) or 'nothing'}: it was saved by another optimiser; delete "
            "the checkpoint to start anew"
        )
    return int(state["steps"]), [
        {
            name.removeprefix(f"{slot}/"): tensor.clone()
            for name, tensor in state.items()
            if name.startswith(f"{slot}/")
        }
        for slot in slots
    ]
