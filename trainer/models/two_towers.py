"""A tower for each view: the first is a caption, the second the sound of its clip.

Shape legend: M = members, N = samples, F = flat inputs or features, D = embedding.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from torch import Tensor

from trainer.flat_state import prefixed, under
from trainer.models.protocol import SingleModel, Tensors
from trainer.models.weight_noise import add_weight_noise
from trainer.seeds import derive_seed


@dataclass(frozen=True, slots=True)
class Side:
    """One of two towers, among the tensors of both.

    Attributes:
        inner: The tower by itself.
        name: Before its tensors' names in the whole model.
        width: Of its rows; batches fill up the narrower view's with zeros, which are cut off.
    """

    inner: SingleModel
    name: str
    width: int

    def encode(
        self, parameters: Tensors, running: Tensors, inputs_MNF: Tensor, *, training: bool
    ) -> Tensor:
        """Return encoder features, shape (M, N, F'). Training updates ``running`` in place."""
        own = under(self.name, parameters), under(self.name, running)
        return self.inner.encode(*own, inputs_MNF[..., : self.width], training=training)

    def project(
        self, parameters: Tensors, running: Tensors, features_MNF: Tensor, *, training: bool
    ) -> Tensor:
        """Return projections of encoder features, not normalised, shape (M, N, D)."""
        own = under(self.name, parameters), under(self.name, running)
        return self.inner.project(*own, features_MNF, training=training)

    def init_parameters(self, seeds: Sequence[int]) -> Tensors:
        """Draw the tower's float64 parameters under their names in the whole model.

        By seeds of its own: heads of one shape would be born equal otherwise.
        """
        own = [derive_seed(seed, "tower", self.name) for seed in seeds]
        return prefixed(self.name, self.inner.init_parameters(own))

    def init_running(self, members: int) -> Tensors:
        """Return the tower's running statistics under their names in the whole model."""
        return prefixed(self.name, self.inner.init_running(members))

    def select(self, keep: Sequence[int]) -> "Side":
        """Return the tower of the members at these positions."""
        return replace(self, inner=self.inner.select(keep))


@dataclass(frozen=True, slots=True)
class TwoTowers:
    """The towers of first views (text) and of second views (audio), in SupCLAP's order.

    ``weight_noise`` is how much their initial weights are disturbed.
    """

    text: Side
    audio: Side
    weight_noise: float = 0.0

    @classmethod
    def of(
        cls,
        text: SingleModel,
        audio: SingleModel,
        text_width: int,
        audio_width: int,
        weight_noise: float = 0.0,
    ) -> "TwoTowers":
        """Join two towers; each takes flat rows of its width."""
        sides = Side(text, "text", text_width), Side(audio, "audio", audio_width)
        return cls(*sides, weight_noise)

    @property
    def members_at_once(self) -> int | None:
        """Return what both towers can hold in one call, None for any number."""
        most = [
            side.inner.members_at_once
            for side in self.towers
            if side.inner.members_at_once is not None
        ]
        return min(most, default=None)

    @property
    def towers(self) -> tuple[Side, Side]:
        """Return the tower of the first and that of the second views."""
        return self.text, self.audio

    def init_parameters(self, seeds: Sequence[int]) -> Tensors:
        """Draw float64 parameters of both, one member per seed, as each tower draws its own."""
        drawn = self.text.init_parameters(seeds) | self.audio.init_parameters(seeds)
        return add_weight_noise(drawn, seeds, self.weight_noise)

    def init_running(self, members: int) -> Tensors:
        """Return the running statistics of both at their start; {} without any."""
        return self.text.init_running(members) | self.audio.init_running(members)

    def select(self, keep: Sequence[int]) -> "TwoTowers":
        """Return the model of the members at these positions."""
        return replace(self, text=self.text.select(keep), audio=self.audio.select(keep))
