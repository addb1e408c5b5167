"""MLP encoder and projection head for M members at once: parameters [M, ...], one bmm a layer.

Each member's numbers are bit-identical to those it would have alone: nothing crosses the
member dimension, and the matrix products get operands whose alignment is the same for every
member (see :func:`_linear`).

Shape legend: M = members, N = samples (both views stacked), F = features, D = embedding.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor
from torch.nn.functional import layer_norm, pad

from trainer.losses.rows import COLUMN_MULTIPLE, pad_columns
from trainer.seeds import generator_for
from trainer.settings import ModelSettings

Tensors = dict[str, Tensor]

_NORM_EPS = 1e-5
_RUNNING_MOMENTUM = 0.1


@dataclass(frozen=True, slots=True)
class Layer:
    """One linear layer; ``is_hidden`` ones are followed by the norm and a ReLU."""

    name: str
    fan_in: int
    fan_out: int
    is_hidden: bool


@dataclass(frozen=True, slots=True)
class StackedMlp:
    """The architecture; parameters and running statistics are held by the caller.

    The head's last linear layer has no norm after it: a batch norm there re-centres each batch
    and hides collapse (claims.md asks for it as a separate setting).
    """

    encoder: tuple[Layer, ...]
    head: tuple[Layer, ...]
    norm: str

    @property
    def members_at_once(self) -> None:
        """Return None: one call holds any number of members."""
        return None

    @classmethod
    def of(cls, settings: ModelSettings, input_width: int) -> "StackedMlp":
        """Lay out the layers that ``settings`` describe for inputs of ``input_width``."""
        encoder = _chain("encoder", (input_width, *settings.hidden), last_is_hidden=True)
        widths = (settings.hidden[-1], *settings.head_hidden, settings.embed_dim)
        return cls(encoder, _chain("head", widths, last_is_hidden=False), settings.norm)

    def init_parameters(self, seeds: Sequence[int]) -> Tensors:
        """Draw float64 parameters, one member per seed, as torch.nn.Linear draws them.

        Equal seeds get equal weights. float64 so that every training dtype rounds the same draw.
        """
        drawn = {seed: self._draw(seed) for seed in set(seeds)}
        return {name: torch.stack([drawn[s][name] for s in seeds]) for name in drawn[seeds[0]]}

    def init_running(self, members: int) -> Tensors:
        """Return batch norm's running statistics at their start; empty without batch norm."""
        if self.norm != "batch":
            return {}
        shapes = {layer.name: (members, 1, layer.fan_out) for layer in self._normed()}
        means = {f"{name}.mean": torch.zeros(shape) for name, shape in shapes.items()}
        return means | {f"{name}.var": torch.ones(shape) for name, shape in shapes.items()}

    def encode(
        self, parameters: Tensors, running: Tensors, inputs_MNF: Tensor, *, training: bool
    ) -> Tensor:
        """Return encoder features h, shape (M, N, F). Training updates ``running`` in place."""
        return self._through(self.encoder, parameters, running, inputs_MNF, training)

    def project(
        self, parameters: Tensors, running: Tensors, features_MNF: Tensor, *, training: bool
    ) -> Tensor:
        """Return projections of encoder features, not normalised, shape (M, N, D)."""
        return self._through(self.head, parameters, running, features_MNF, training)

    def _normed(self) -> list[Layer]:
        return [layer for layer in (*self.encoder, *self.head) if layer.is_hidden]

    def _draw(self, seed: int) -> Tensors:
        parameters: Tensors = {}
        generator = generator_for(seed, "weights")
        for layer in (*self.encoder, *self.head):
            bound = 1 / math.sqrt(layer.fan_in)
            for part, shape in (
                ("weight", (layer.fan_in, layer.fan_out)),
                ("bias", (1, layer.fan_out)),
            ):
                uniform = torch.rand(shape, generator=generator, dtype=torch.float64)
                parameters[f"{layer.name}.{part}"] = (2 * uniform - 1) * bound
            if layer.is_hidden and self.norm != "none":
                parameters[f"{layer.name}.gain"] = torch.ones(1, layer.fan_out, dtype=torch.float64)
                parameters[f"{layer.name}.shift"] = torch.zeros(
                    1, layer.fan_out, dtype=torch.float64
                )
        return parameters

    def _through(
        self,
        layers: tuple[Layer, ...],
        parameters: Tensors,
        running: Tensors,
        x_MNF: Tensor,
        training: bool,
    ) -> Tensor:
        for layer in layers:
            name = layer.name
            x_MNF = _linear(x_MNF, parameters[f"{name}.weight"], parameters[f"{name}.bias"])
            if layer.is_hidden:
                x_MNF = self._normalise(name, parameters, running, x_MNF, training).relu()
        return x_MNF

    def _normalise(
        self, name: str, parameters: Tensors, running: Tensors, x_MNF: Tensor, training: bool
    ) -> Tensor:
        match self.norm:
            case "none":
                return x_MNF
            case "layer":
                scaled = layer_norm(x_MNF, x_MNF.shape[-1:], eps=_NORM_EPS)
            case "batch" if training:
                var, mean = torch.var_mean(x_MNF, dim=-2, correction=0, keepdim=True)
                _track(running, name, mean.detach(), var.detach(), x_MNF.shape[-2])
                scaled = (x_MNF - mean) * torch.rsqrt(var + _NORM_EPS)
            case _:
                var, mean = running[f"{name}.var"], running[f"{name}.mean"]
                scaled = (x_MNF - mean) * torch.rsqrt(var + _NORM_EPS)
        return torch.addcmul(parameters[f"{name}.shift"], scaled, parameters[f"{name}.gain"])


def _chain(prefix: str, widths: Sequence[int], *, last_is_hidden: bool) -> tuple[Layer, ...]:
    pairs = list(pairwise(widths))
    return tuple(
        Layer(f"{prefix}.{i}", fan_in, fan_out, last_is_hidden or i < len(pairs) - 1)
        for i, (fan_in, fan_out) in enumerate(pairs)
    )


def _linear(x_MNF: Tensor, weight_MFG: Tensor, bias_M1G: Tensor) -> Tensor:
    """Return x W + b, through widths filled up with zeros to a multiple of 16.

    At other widths MKL picks its code by the address at which a member's slice starts, so the
    last bit would depend on the member's place in the stack (measured, see ``pad_columns``).
    """
    fan_in, fan_out = weight_MFG.shape[-2:]
    missing_in, missing_out = -fan_in % COLUMN_MULTIPLE, -fan_out % COLUMN_MULTIPLE
    if missing_in or missing_out:
        weight_MFG = pad(weight_MFG, (0, missing_out, 0, missing_in))
    return torch.baddbmm(pad_columns(bias_M1G), pad_columns(x_MNF), weight_MFG)[..., :fan_out]


def _track(running: Tensors, name: str, mean: Tensor, var: Tensor, samples: int) -> None:
    # torch.nn.BatchNorm1d tracks the unbiased variance.
    running[f"{name}.mean"].lerp_(mean, _RUNNING_MOMENTUM)
    running[f"{name}.var"].lerp_(var * (samples / (samples - 1)), _RUNNING_MOMENTUM)
