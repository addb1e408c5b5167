"""MLP encoder and projection head for M members at once.

Shape legend: M = members, N = samples (both views stacked), F = features, D = embedding.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from trainer.models.layers import StackedLayers
from trainer.models.protocol import Tensors
from trainer.seeds import generator_for
from trainer.settings import ModelSettings, Norm


@dataclass(frozen=True, slots=True)
class StackedMlp:
    """The architecture; parameters and running statistics are held by the caller.

    The head's last linear layer has no norm after it unless ``head_out_norm`` says so: a batch
    norm there re-centres each batch and hides collapse.
    """

    encoder: StackedLayers
    head: StackedLayers

    @property
    def members_at_once(self) -> None:
        """Return None: one call holds any number of members."""
        return None

    @classmethod
    def of(
        cls, settings: ModelSettings, input_width: int, norms: Sequence[Norm] = ()
    ) -> "StackedMlp":
        """Lay out the layers that ``settings`` describe for inputs of ``input_width``.

        Args:
            norms: One per member; without any, all have that of ``settings``.
        """
        encoder = StackedLayers.chain(
            "encoder",
            (input_width, *settings.hidden),
            norms or (settings.norm,),
            widest=settings.norm,
            last_is_hidden=True,
        )
        return cls(encoder, lay_out_head(settings, settings.hidden[-1], norms))

    @classmethod
    def head_of(
        cls, settings: ModelSettings, feature_width: int, norms: Sequence[Norm] = ()
    ) -> "StackedMlp":
        """Lay out the head alone, on features of an encoder that is frozen."""
        head = lay_out_head(settings, feature_width, norms)
        return cls(StackedLayers((), head.norms, "none"), head)

    @property
    def towers(self) -> "tuple[StackedMlp]":
        """Return the model itself: all views are rows of one kind."""
        return (self,)

    def select(self, keep: Sequence[int]) -> "StackedMlp":
        """Return the model of the members at these positions."""
        return StackedMlp(self.encoder.select(keep), self.head.select(keep))

    def init_parameters(self, seeds: Sequence[int]) -> Tensors:
        """Draw float64 parameters, one member per seed, as torch.nn.Linear draws them.

        Equal seeds get equal weights. float64 so that every training dtype rounds the same draw.
        """
        return stack_draws(seeds, self._draw)

    def init_running(self, members: int) -> Tensors:
        """Return batch norms' running statistics at their start; empty without batch norm."""
        return self.encoder.init_running(members) | self.head.init_running(members)

    def encode(
        self, parameters: Tensors, running: Tensors, inputs_MNF: Tensor, *, training: bool
    ) -> Tensor:
        """Return encoder features h, shape (M, N, F). Training updates ``running`` in place."""
        return self.encoder(parameters, running, inputs_MNF, training=training)

    def project(
        self, parameters: Tensors, running: Tensors, features_MNF: Tensor, *, training: bool
    ) -> Tensor:
        """Return projections of encoder features, not normalised, shape (M, N, D)."""
        return self.head(parameters, running, features_MNF, training=training)

    def _draw(self, seed: int) -> Tensors:
        generator = generator_for(seed, "weights")
        return self.encoder.draw(generator) | self.head.draw(generator)


def lay_out_head(
    settings: ModelSettings, input_width: int, norms: Sequence[Norm] = ()
) -> StackedLayers:
    """Return the projection head on features of ``input_width``.

    Args:
        norms: Of each member, where ``settings.head_norm`` leaves it to ``norm``.
    """
    widths = (input_width, *settings.head_hidden, settings.embed_dim)
    norm = settings.head_norm or settings.norm
    own = norms if norms and settings.head_norm is None else (norm,)
    return StackedLayers.chain("head", widths, own, widest=norm, out_norm=settings.head_out_norm)


def stack_draws(seeds: Sequence[int], draw: Callable[[int], Tensors]) -> Tensors:
    """Return one row per seed of what ``draw`` returns for it, drawn once for equal seeds."""
    drawn = {seed: draw(seed) for seed in dict.fromkeys(seeds)}
    return {name: torch.stack([drawn[s][name] for s in seeds]) for name in drawn[seeds[0]]}
