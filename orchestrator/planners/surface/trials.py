"""What was told, sorted, so that equal trials give equal bits in whatever order they came.

Shape legend: n = trials, T = thresholds (one for each place and replicate).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from orchestrator.planners.surface.kernel import Places

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Trials:
    """Sorted trials: places, log10 learning rates, replicates, y = log(score / level), labels."""

    places: Places
    x_n: Floats
    replicate_n: Ints
    y_n: Floats
    is_collapsed_n: NDArray[np.bool_]

    def __len__(self) -> int:
        """Return n."""
        return len(self.x_n)

    def number_thresholds(self) -> tuple[Ints, Ints]:
        """Return the first trial of every threshold (T,), and the threshold of every trial (n,)."""
        numbers: dict[tuple[bytes, bytes, int], int] = {}
        first: list[int] = []
        threshold_n = np.zeros(len(self), dtype=np.int64)
        for i in range(len(self)):
            units, words = self.places.units_nA[i], self.places.words_nB[i]
            name = (units.tobytes(), words.tobytes(), int(self.replicate_n[i]))
            if name not in numbers:
                numbers[name] = len(first)
                first.append(i)
            threshold_n[i] = numbers[name]
        return np.array(first, dtype=np.int64), threshold_n
