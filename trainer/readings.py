"""What one check yields of a member, and the protocol of what measures members.

Shape legend: M = members, N = samples, F = features, D = embedding.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor

from trainer.collapse.regime import CollapseLevel
from trainer.collapse.spectrum import Collapse
from trainer.stack import Stack


@dataclass(frozen=True, slots=True)
class Reading:
    """One member's measures at one check; ``values`` is empty when its embeddings are not finite.

    ``score`` is the study's metric, ``coupling`` how alike the member is to its reference: empty
    without one, or if either's embeddings are not finite.
    """

    is_finite: bool
    score: float
    values: dict[str, float]
    spectrum: tuple[float, ...]
    coupling: dict[str, float] = field(default_factory=dict)


class Evaluation(Protocol):
    """A fixed evaluation set, and what is measured on it."""

    @property
    def level(self) -> CollapseLevel:
        """Return what counts as collapsed."""
        ...

    def before_check(self, stack: Stack) -> None:
        """Look at members before the step that a check follows."""
        ...

    def read(self, stack: Stack) -> list[Reading]:
        """Measure every member in evaluation mode."""
        ...

    def qualities(self, stack: Stack) -> list[dict[str, float]]:
        """Return what tells a member that has learned, by name, higher is better, in [0, 1].

        Members whose embeddings are not finite get 0.0.
        """
        ...

    def measure_ends(self, stack: Stack, ends: Sequence[bool]) -> list[dict[str, float]]:
        """Return the final measures of each member that ends, qualities among them; else {}."""
        ...

    def embed(self, stack: Stack) -> tuple[Tensor, Tensor]:
        """Return features (M, N, F) and raw projections (M, N, D) of test images or clips."""
        ...


def finite_members(tensor_MND: Tensor) -> Tensor:
    """Return which members have finite entries only, (M,)."""
    return tensor_MND.isfinite().flatten(1).all(dim=1)


def list_readings(is_finite_M: Tensor, score_M: Tensor, collapse: Collapse) -> list[Reading]:
    """Return one reading per member; numbers of those that are not finite are dropped."""
    assert collapse.alignment is not None
    columns = {
        "effective_rank": collapse.effective_rank,
        "rankme": collapse.rankme,
        "stable_rank": collapse.stable_rank,
        "participation_ratio": collapse.participation_ratio,
        "total_variance": collapse.total_variance,
        "uniformity": collapse.uniformity,
        "alignment": collapse.alignment,
    }
    names = list(columns)
    table = torch.stack([columns[name].double() for name in names], dim=1).tolist()
    spectra = collapse.spectrum_K.double().tolist()
    return [
        Reading(True, float(score), dict(zip(names, row, strict=True)), tuple(spectrum))
        if finite
        else Reading(False, 0.0, {}, ())
        for finite, score, row, spectrum in zip(
            is_finite_M.tolist(), score_M.tolist(), table, spectra, strict=True
        )
    ]
