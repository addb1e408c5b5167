"""A chain of linear layers for M members at once: parameters [M, ...], one bmm a layer.

Each member's numbers are bit-identical to those it would have alone: nothing crosses the
member dimension, and the matrix products get operands whose alignment is the same for every
member (see :mod:`trainer.models.stacked_linear`). Members may differ in the norm of hidden
layers: the product serves all of them, neighbours with one norm are normalised together.

Shape legend: M = members, N = samples (both views stacked), F, G = features.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import groupby, pairwise
from typing import Literal, assert_never

import torch
from torch import Tensor
from torch.nn.functional import layer_norm

from trainer.losses.pairs import promote_half
from trainer.models.batch_norm import NORM_EPS, normalise_batch, normalise_by
from trainer.models.blocks import run_block
from trainer.models.channel_norm import count_groups
from trainer.models.large_linear import large_linear, suits_one_by_one
from trainer.models.protocol import Tensors
from trainer.models.stacked_linear import stacked_linear, stacked_linear_plain
from trainer.settings import Norm

_BY_WIDTH: tuple[Norm, ...] = ("none", "layer", "group", "batch")
OutNorm = Literal["none", "batch"]


@dataclass(frozen=True, slots=True)
class Layer:
    """One linear layer; ``is_hidden`` ones are followed by the norm and a ReLU.

    ``out_norm`` follows the others, the same for all members.
    """

    name: str
    fan_in: int
    fan_out: int
    is_hidden: bool
    out_norm: OutNorm = "none"


@dataclass(frozen=True, slots=True)
class StackedLayers:
    """Layers in their order.

    Attributes:
        norms: One norm per member, or one for all of them.
        widest: The norm whose tensors every member holds (none < layer, group < batch), at least
            the widest of ``norms``. Tensors that a member's own norm has no use for change
            nothing.
    """

    layers: tuple[Layer, ...]
    norms: tuple[Norm, ...]
    widest: Norm

    @classmethod
    def chain(
        cls,
        prefix: str,
        widths: Sequence[int],
        norms: Sequence[Norm],
        *,
        widest: Norm = "none",
        last_is_hidden: bool = False,
        out_norm: OutNorm = "none",
    ) -> "StackedLayers":
        """Lay out layers named ``prefix.0``, ``prefix.1``, ... between neighbouring widths."""
        *pairs, (last_in, last_out) = pairwise(widths)
        layers = [Layer(f"{prefix}.{i}", *pair, is_hidden=True) for i, pair in enumerate(pairs)]
        layers.append(Layer(f"{prefix}.{len(pairs)}", last_in, last_out, last_is_hidden, out_norm))
        return cls(tuple(layers), tuple(norms), widest_norm((widest, *norms)))

    @property
    def is_plain(self) -> bool:
        """Whether no layer has a norm, nor tensors for one."""
        return all(self._widest_after(layer) == "none" for layer in self.layers)

    def select(self, keep: Sequence[int]) -> "StackedLayers":
        """Return the layers for the members at these positions."""
        if len(self.norms) == 1:
            return self
        return replace(self, norms=tuple(self.norms[i] for i in keep))

    def draw(self, generator: torch.Generator) -> Tensors:
        """Draw one member's float64 parameters, as torch.nn.Linear draws them."""
        parameters: Tensors = {}
        for layer in self.layers:
            bound = 1 / math.sqrt(layer.fan_in)
            for part, shape in (
                ("weight", (layer.fan_in, layer.fan_out)),
                ("bias", (1, layer.fan_out)),
            ):
                uniform = torch.rand(shape, generator=generator, dtype=torch.float64)
                parameters[f"{layer.name}.{part}"] = (2 * uniform - 1) * bound
            if self._widest_after(layer) != "none":
                ones = torch.ones(1, layer.fan_out, dtype=torch.float64)
                parameters |= {f"{layer.name}.gain": ones, f"{layer.name}.shift": ones - 1}
        return parameters

    def init_running(self, members: int) -> Tensors:
        """Return batch norm's running statistics at their start; empty without batch norm."""
        normed = [layer for layer in self.layers if self._widest_after(layer) == "batch"]
        shapes = {layer.name: (members, 1, layer.fan_out) for layer in normed}
        means = {f"{name}.mean": torch.zeros(shape) for name, shape in shapes.items()}
        return means | {f"{name}.var": torch.ones(shape) for name, shape in shapes.items()}

    def __call__(
        self, parameters: Tensors, running: Tensors, x_MNF: Tensor, *, training: bool
    ) -> Tensor:
        """Return the last layer's output, (M, N, G). Training updates ``running`` in place."""
        for layer in self.layers:
            x_MNF = run_block(partial(self._run, layer, parameters, training), running, x_MNF)
        return x_MNF

    def _run(
        self, layer: Layer, parameters: Tensors, training: bool, running: Tensors, x_MNF: Tensor
    ) -> Tensor:
        name = layer.name
        weight_MFG, bias_M1G = parameters[f"{name}.weight"], parameters[f"{name}.bias"]
        if set(self._norms_after(layer)) == {"none"}:
            return linear(x_MNF, weight_MFG, bias_M1G, rectify=layer.is_hidden)
        x_MNF = linear(x_MNF, weight_MFG, bias_M1G)
        x_MNF = self._normalise(layer, parameters, running, x_MNF, training)
        return x_MNF.relu() if layer.is_hidden else x_MNF

    def _norms_after(self, layer: Layer) -> tuple[Norm, ...]:
        return self.norms if layer.is_hidden else (layer.out_norm,)

    def _widest_after(self, layer: Layer) -> Norm:
        return self.widest if layer.is_hidden else layer.out_norm

    def _normalise(
        self, layer: Layer, parameters: Tensors, running: Tensors, x_MNF: Tensor, training: bool
    ) -> Tensor:
        parts, name = [], layer.name
        for norm, rows in _runs(self._norms_after(layer)):
            if norm == "none":
                parts.append(x_MNF[rows])
                continue
            own = {part: r[rows] for part, r in running.items() if part.startswith(f"{name}.")}
            # A no-op but under autocast, where the product is bfloat16: norms are of float32.
            rows_MNF = promote_half(x_MNF[rows])
            scaled = _scale(norm, name, own, rows_MNF, training)
            gain, shift = parameters[f"{name}.gain"][rows], parameters[f"{name}.shift"][rows]
            parts.append(torch.addcmul(shift, scaled, gain))
        return parts[0] if len(parts) == 1 else torch.cat(parts)


def widest_norm(norms: Sequence[Norm]) -> Norm:
    """Return the norm with the most tensors; a stack that holds these can hold all of them."""
    return max(norms, key=_BY_WIDTH.index)


def _scale(norm: Norm, name: str, running: Tensors, x_MNF: Tensor, training: bool) -> Tensor:
    match norm:
        case "none":
            return x_MNF
        case "layer":
            return layer_norm(x_MNF, x_MNF.shape[-1:], eps=NORM_EPS)
        case "group":
            groups_MNGf = x_MNF.view(*x_MNF.shape[:-1], count_groups(x_MNF.shape[-1]), -1)
            return layer_norm(groups_MNGf, groups_MNGf.shape[-1:], eps=NORM_EPS).flatten(-2)
        case "batch" if training:
            return normalise_batch(x_MNF, running[f"{name}.mean"], running[f"{name}.var"])
        case "batch":
            return normalise_by(x_MNF, running[f"{name}.mean"], running[f"{name}.var"])
        case unreachable:
            assert_never(unreachable)


def _runs(norms: Sequence[Norm]) -> Iterator[tuple[Norm, slice]]:
    """Yield each run of neighbours with one norm; one norm for all is one run of any length."""
    if len(set(norms)) == 1:
        yield norms[0], slice(None)
        return
    start = 0
    for norm, neighbours in groupby(norms):
        stop = start + len(list(neighbours))
        yield norm, slice(start, stop)
        start = stop


def linear(x_MNF: Tensor, weight_MFG: Tensor, bias_M1G: Tensor, *, rectify: bool = False) -> Tensor:
    """Return x W + b, or its positive part, by the way that suits the size of one member."""
    if torch.is_autocast_enabled(x_MNF.device.type):
        out_MNG = stacked_linear_plain(x_MNF, weight_MFG, bias_M1G)
        return out_MNG.relu() if rectify else out_MNG
    suited = large_linear if suits_one_by_one(x_MNF, weight_MFG) else stacked_linear
    return suited(x_MNF, weight_MFG, bias_M1G, rectify=rectify)
