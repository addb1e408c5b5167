"""How support vector regularisation scores pairs: its base objective and the form of its term.

Shape legend: M = members, B = pairs, D = embedding dim.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol, Self, assert_never

from torch import Tensor

from trainer.losses.exponent import exp_is_always_safe
from trainer.losses.infonce import infonce
from trainer.losses.siglip import siglip
from trainer.losses.svr import one_way_svr
from trainer.objective_settings import SVRSettings
from trainer.objectives.protocol import ObjectiveContext
from trainer.objectives.sigmoid import SigLIP, bind_siglip
from trainer.objectives.stack import MemberStack, member_scalars

ViewLoss = Callable[[Tensor, Tensor], Tensor]
"""A loss of two batches of rows, its scalars bound."""


class Scoring(Protocol):
    """A base objective that can also score support vectors."""

    def init_parameters(self) -> dict[str, Tensor]:
        """Return what the base itself learns, each (M,)."""
        ...

    def select(self, keep: Sequence[int]) -> Self:
        """Return the scoring of a few members."""
        ...

    def temperature(self, parameters: Mapping[str, Tensor]) -> Tensor:
        """Return what cosines are divided by, shape (M,)."""
        ...

    def base(self, parameters: Mapping[str, Tensor]) -> ViewLoss:
        """Return the objective that is regularised."""
        ...

    def term(self, parameters: Mapping[str, Tensor]) -> ViewLoss:
        """Return what support vectors are scored with, against the other view."""
        ...


@dataclass(frozen=True, slots=True)
class InfoNCEScoring(MemberStack):
    """InfoNCE at a fixed temperature, for the base and for the support vectors."""

    temperature_M: Tensor
    is_safe: bool

    def temperature(self, parameters: Mapping[str, Tensor]) -> Tensor:
        """Return what cosines are divided by, shape (M,)."""
        del parameters
        return self.temperature_M

    def base(self, parameters: Mapping[str, Tensor]) -> ViewLoss:
        """Return the objective that is regularised."""
        return partial(infonce, temperature=self.temperature(parameters), is_safe=self.is_safe)

    def term(self, parameters: Mapping[str, Tensor]) -> ViewLoss:
        """Return what support vectors are scored with, against the other view."""
        return partial(one_way_svr, temperature=self.temperature(parameters))


@dataclass(frozen=True, slots=True)
class SigLIPScoring:
    """SigLIP as the base; support vectors are scored alike, or by InfoNCE at tau = 1 / k."""

    pairs: SigLIP
    is_term_infonce: bool

    def init_parameters(self) -> dict[str, Tensor]:
        """Return scale and bias, if they are learned."""
        return self.pairs.init_parameters()

    def select(self, keep: Sequence[int]) -> "SigLIPScoring":
        """Return the scoring of a few members."""
        return SigLIPScoring(self.pairs.select(keep), self.is_term_infonce)

    def temperature(self, parameters: Mapping[str, Tensor]) -> Tensor:
        """Return what cosines are divided by, shape (M,)."""
        return 1 / self.pairs.scale_and_bias(parameters)[0]

    def base(self, parameters: Mapping[str, Tensor]) -> ViewLoss:
        """Return the objective that is regularised."""
        scale_M, bias_M = self.pairs.scale_and_bias(parameters)
        return partial(siglip, scale=scale_M, bias=bias_M)

    def term(self, parameters: Mapping[str, Tensor]) -> ViewLoss:
        """Return what support vectors are scored with, against the other view."""
        if self.is_term_infonce:
            return partial(one_way_svr, temperature=self.temperature(parameters))
        return self.base(parameters)


def bind_scoring(members: Sequence[SVRSettings], context: ObjectiveContext) -> Scoring:
    """Return the members' common base with their own scalars."""
    match members[0].base:
        case "infonce":
            temperature_M = member_scalars((m.temperature for m in members), context)
            is_safe = exp_is_always_safe(temperature_M, context.batch_size)
            return InfoNCEScoring(temperature_M, is_safe)
        case "siglip":
            return SigLIPScoring(bind_siglip(members, context), members[0].form == "infonce")
        case unknown:
            assert_never(unknown)
