"""What optimisers with momentum keep between steps.

Shape legend: M = members; velocities are (M, ...) as the parameters are.
"""

from collections.abc import Mapping

from torch import Tensor

from trainer.optimizers.protocol import Tensors, pack_slots, unpack_slots
from trainer.optimizers.rates import Rates


class VelocityOptimizer:
    """Base of optimisers whose only slot is a velocity for each tensor."""

    def __init__(self, rates: Rates, momentum: float) -> None:
        self._rates = rates
        self._momentum = momentum
        self._steps = 0
        self._velocity: Tensors = {}

    def select(self, keep: Tensor) -> None:
        """Keep only the members at the positions ``keep``."""
        self._rates.select(keep)
        self._velocity = {name: v[keep] for name, v in self._velocity.items()}

    def state(self) -> Tensors:
        """Return the number of steps and the velocities."""
        return pack_slots(self._steps, velocity=self._velocity)

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Go on from what :meth:`state` returned."""
        self._steps, (self._velocity,) = unpack_slots(state, "velocity")
