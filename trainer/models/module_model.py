"""A torch.nn.Module as encoder of stacked members, run one member at a time.

Convolutions and transformers gain nothing from stacking on a CPU (under vmap they ran at 0.5 to
0.9 times the speed of one by one), but their parameters are rows of stacked tensors like
everybody's, so optimisers, checkpoints and packs treat all models alike.

Shape legend: M = members, N = samples (both views stacked), F = flat inputs or features,
D = embedding.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn
from torch.func import functional_call

from trainer.collapse.members import align
from trainer.models.blocks import run_block
from trainer.models.layers import StackedLayers
from trainer.models.mlp import stack_draws
from trainer.models.protocol import Tensors
from trainer.seeds import derive_seed, generator_for

_PREFIX = "encoder."
_EVALUATED_AT_ONCE = 1024


@dataclass(frozen=True, slots=True)
class ModuleModel:
    """An encoder module and a stacked projection head.

    Attributes:
        draw_encoder: Returns a new float64 module, inputs [N, *input_shape] to features [N, F]; any
            randomness is drawn from torch's global CPU generator. Its floating-point buffers are
            running statistics, rows of ``running`` here, before those of the head; the others
            (tables of positions, counters) are constants.
        template: One such module: its layout, constants and initial statistics count, not its
            weights.
        input_shape: Of one sample: channels, height and width of an image; bands and frames of a
            spectrogram; length of a waveform or of a row of token ids.
    """

    draw_encoder: Callable[[], nn.Module]
    template: nn.Module
    input_shape: tuple[int, ...]
    head: StackedLayers

    @property
    def members_at_once(self) -> int:
        """Return 1: the activations of one member fill the memory that there is."""
        return 1

    @property
    def towers(self) -> "tuple[ModuleModel]":
        """Return the model itself: all views are rows of one kind."""
        return (self,)

    def select(self, keep: Sequence[int]) -> "ModuleModel":
        """Return the model itself: its members differ in numbers only."""
        return self

    def init_parameters(self, seeds: Sequence[int]) -> Tensors:
        """Draw float64 parameters, one member per seed, as the module draws its own."""
        return stack_draws(seeds, self._draw)

    def init_running(self, members: int) -> Tensors:
        """Return all running statistics, one row per member; {} if there are none."""
        own = {
            _PREFIX + name: buffer.detach().expand(members, *buffer.shape).clone()
            for name, buffer in self.template.named_buffers()
            if buffer.is_floating_point()
        }
        return own | self.head.init_running(members)

    def encode(
        self, parameters: Tensors, running: Tensors, inputs_MNF: Tensor, *, training: bool
    ) -> Tensor:
        """Return encoder features h, shape (M, N, F). Training updates ``running`` in place.

        A member's whole encoder is one block for activation checkpointing: its layers are inside
        the module, which would compute them again with the template's own weights.
        """
        self.template.train(training)
        return torch.stack(
            [
                run_block(
                    partial(self._encode_one, _row(parameters, m, align)),
                    _row(running, m),
                    inputs_NF,
                )
                for m, inputs_NF in enumerate(inputs_MNF)
            ]
        )

    def project(
        self, parameters: Tensors, running: Tensors, features_MNF: Tensor, *, training: bool
    ) -> Tensor:
        """Return projections of encoder features, not normalised, shape (M, N, D)."""
        return self.head(parameters, running, features_MNF, training=training)

    def _encode_one(self, parameters: Tensors, running: Tensors, inputs_NF: Tensor) -> Tensor:
        # In training a batch is one piece, for batch norm's sake; evaluation sets may be large.
        size = len(inputs_NF) if self.template.training else _EVALUATED_AT_ONCE
        tensors = (parameters, running, self._constants(inputs_NF.device))
        pieces = [
            functional_call(self.template, tensors, (align(piece).view(-1, *self.input_shape),))
            for piece in torch.split(inputs_NF, size)
        ]
        return torch.cat(pieces)

    def _constants(self, device: torch.device) -> Tensors:
        buffers = self.template.named_buffers()
        return {name: b.to(device) for name, b in buffers if not b.is_floating_point()}

    def _draw(self, seed: int) -> Tensors:
        # Modules draw from the global generator: it is lent to this draw and given back.
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(derive_seed(seed, "encoder"))
            module = self.draw_encoder()
        drawn = {_PREFIX + name: p.detach() for name, p in module.named_parameters()}
        return drawn | self.head.draw(generator_for(seed, "weights"))


def _row(
    tensors: Tensors, member: int, prepare: Callable[[Tensor], Tensor] = lambda row: row
) -> Tensors:
    """Return one member's tensors of the encoder under the module's own names."""
    return {
        name.removeprefix(_PREFIX): prepare(tensor[member])
        for name, tensor in tensors.items()
        if name.startswith(_PREFIX)
    }
