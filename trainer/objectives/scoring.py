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
from trainer.losses.push import infonce_push, siglip_push
from trainer.losses.siglip import siglip
from trainer.losses.svr import one_way_svr
from trainer.objective_settings import SVRSettings
from trainer.objectives.protocol import ObjectiveContext
from trainer.objectives.sigmoid import SigLIP, bind_siglip
from trainer.objectives.stack import MemberStack, member_scalars
from trainer.objectives.temperature import init_log_scale, learned_temperature

ViewLoss = Callable[[Tensor, Tensor], Tensor]
"""A function of two batches of rows, its scalars bound."""


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

    def base_push(self, parameters: Mapping[str, Tensor]) -> ViewLoss:
        """Return what says how hard each second row pushes a first one away in the base."""
        ...

    def term_push(self, parameters: Mapping[str, Tensor]) -> ViewLoss:
        """Return what says how hard each row of the other view pushes a support vector away."""
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

    def base_push(self, parameters: Mapping[str, Tensor]) -> ViewLoss:
        """Return what says how hard each second row pushes a first one away in the base."""
        return partial(infonce_push, temperature=self.temperature(parameters))

    def term_push(self, parameters: Mapping[str, Tensor]) -> ViewLoss:
        """Return what says how hard each row of the other view pushes a support vector away."""
        return self.base_push(parameters)


@dataclass(frozen=True, slots=True)
class LearnedInfoNCEScoring(InfoNCEScoring):
    """InfoNCE at a learned temperature; ``temperature_M`` is where it starts."""

    def init_parameters(self) -> dict[str, Tensor]:
        """Return ``log_scale`` = log(1 / tau), (M,)."""
        return init_log_scale(self.temperature_M)

    def temperature(self, parameters: Mapping[str, Tensor]) -> Tensor:
        """Return what cosines are divided by, shape (M,)."""
        return learned_temperature(parameters)


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

    def base_push(self, parameters: Mapping[str, Tensor]) -> ViewLoss:
        """Return what says how hard each second row pushes a first one away in the base."""
        scale_M, bias_M = self.pairs.scale_and_bias(parameters)
        return partial(siglip_push, scale=scale_M, bias=bias_M)

    def term_push(self, parameters: Mapping[str, Tensor]) -> ViewLoss:
        """Return what says how hard each row of the other view pushes a support vector away."""
        if self.is_term_infonce:
            return partial(infonce_push, temperature=self.temperature(parameters))
        return self.base_push(parameters)


def bind_scoring(members: Sequence[SVRSettings], context: ObjectiveContext) -> Scoring:
    """Return the members' common base with their own scalars."""
    match members[0].base:
        case "infonce":
            temperature_M = member_scalars((m.temperature for m in members), context)
            if members[0].temperature_mode == "learnable":
                return LearnedInfoNCEScoring(temperature_M, is_safe=False)
            is_safe = exp_is_always_safe(temperature_M, context.batch_size)
            return InfoNCEScoring(temperature_M, is_safe)
        case "siglip":
            return SigLIPScoring(bind_siglip(members, context), members[0].form == "infonce")
        case unknown:
            assert_never(unknown)
