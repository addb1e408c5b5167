"""Linear layers and ReLUs in a row, differentiated by hand: no leaves, no nodes, no graph.

For small members a step's time is the number of calls it makes, not their work. Autograd's share
is a leaf for each tensor, and a node there and back for each layer: a sixth of a step of 32 members
of widths 16-16-8 at batch 16. The kernels are those of :mod:`trainer.models.stacked_linear`, and
so are the bits.

Shape legend: M = members, N = samples (both views of a batch), F, G = features, D = embedding.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from trainer.models.large_linear import suits_one_by_one
from trainer.models.layers import Layer
from trainer.models.mlp import StackedMlp
from trainer.models.protocol import Model, Tensors
from trainer.models.stacked_linear import Product, differentiate, multiply

Tape = list[Product]
"""What each layer keeps for the way back, first to last."""


@dataclass(frozen=True, slots=True)
class Chain:
    """The layers of a model that consists of nothing else, first to last."""

    layers: tuple[Layer, ...]

    @classmethod
    def of(cls, model: Model) -> "Chain | None":
        """Return the layers of an MLP without norms, None of any other model."""
        if isinstance(model, StackedMlp) and model.encoder.is_plain and model.head.is_plain:
            return cls((*model.encoder.layers, *model.head.layers))
        return None

    def suits(self, parameters: Tensors, inputs_MNF: Tensor) -> bool:
        """Return whether every layer is small: large ones are multiplied one by one, in a graph."""
        weights = (parameters[f"{layer.name}.weight"] for layer in self.layers)
        return not any(suits_one_by_one(inputs_MNF, weight_MFG) for weight_MFG in weights)

    @torch.no_grad()
    def run(self, parameters: Tensors, inputs_MNF: Tensor) -> tuple[Tensor, Tape]:
        """Return projections, shape (M, N, D), and what :meth:`pull_back` asks for."""
        tape, x_MNF = [], inputs_MNF
        for layer in self.layers:
            weight_MFG, bias_M1G = (parameters[f"{layer.name}.{n}"] for n in ("weight", "bias"))
            x_MNF, product = multiply(x_MNF, weight_MFG, bias_M1G, rectify=layer.is_hidden)
            tape.append(product)
        return x_MNF, tape

    @torch.no_grad()
    def pull_back(self, tape: Tape, pull_MND: Tensor) -> Tensors:
        """Return the gradients of all parameters, by name, from that of the projections."""
        gradients: Tensors = {}
        pull_MNG: Tensor | None = pull_MND
        for layer, product in zip(reversed(self.layers), reversed(tape), strict=True):
            assert pull_MNG is not None
            wants_x = layer is not self.layers[0]
            pull_MNG, grad_weight_MFG, grad_bias_M1G = differentiate(
                product, pull_MNG, wants_x=wants_x
            )
            gradients[f"{layer.name}.weight"] = grad_weight_MFG
            gradients[f"{layer.name}.bias"] = grad_bias_M1G
        return gradients
