"""What an audio-text study is trained on: clips, and captions that name them.

Shape legend: N = clips of a split, T = captions of a split, B = clips of a batch, F = flat
inputs of an encoder (features, a spectrogram, a waveform; features or token ids of a caption).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Protocol

import torch
from torch import Tensor

from trainer.audio_settings import AudioSettings
from trainer.data.audio.source import Split
from trainer.data.hard_negatives import HardNegatives
from trainer.data.transfer import send

TEXT: Final = 0
AUDIO: Final = 1
"""Which view of a batch is the caption, which the sound: SupCLAP's order, whose support vectors
of one side are those of texts."""

NO_CLASS = -1
"""Label of a clip without a class, or with several."""


class ClipRows(Protocol):
    """What the audio encoder takes of every clip of a source, a flat row each."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of a row before it was made flat."""
        ...

    def plain(self, positions_B: Tensor) -> Tensor:
        """Return the rows of clips (B, F), without augmentation, where they are trained on."""
        ...

    def views(self, positions_B: Tensor, generator: torch.Generator) -> Tensor:
        """Return random views of clips (B, F), drawn from a CPU generator."""
        ...

    def frozen(self, positions_B: Tensor) -> Tensor:
        """Return features (B, C) that no training changes: those of an encoder that stays as it
        is, or else means and deviations of mel bands.
        """
        ...


@dataclass(frozen=True, slots=True)
class Captions:
    """The captions of a split, clip after clip; every clip has one at least.

    Attributes:
        inputs_TF: What the text encoder takes of each.
        clip_T: int64, its clip's place in the split, ascending.
        language_T: int64, its place among the study's languages.
        counts_N: How many each clip has.
        first_N: The place of each clip's first one.
    """

    inputs_TF: Tensor
    clip_T: Tensor
    language_T: Tensor
    counts_N: Tensor
    first_N: Tensor

    @classmethod
    def of(cls, inputs_TF: Tensor, clip_T: Tensor, language_T: Tensor) -> "Captions":
        """Count the captions of every clip."""
        counts_N = clip_T.bincount()
        return cls(inputs_TF, clip_T, language_T, counts_N, counts_N.cumsum(0) - counts_N)

    def draw(self, clips_B: Tensor, generator: torch.Generator) -> Tensor:
        """Return the place of one caption of each of these clips, (B,), on their device."""
        uniform_B = send(torch.rand(len(clips_B), generator=generator), self.counts_N)
        return self.first_N[clips_B] + (uniform_B * self.counts_N[clips_B]).long()


@dataclass(frozen=True, slots=True)
class PairSplit:
    """Train, val or test clips with their captions.

    Attributes:
        positions_N: Places of the clips among the rows of :class:`ClipRows`.
        labels_N: int64 classes; :data:`NO_CLASS` for clips without one or with several.
    """

    positions_N: Tensor
    labels_N: Tensor
    captions: Captions


@dataclass(frozen=True, slots=True)
class PairData:
    """Clips and captions of all splits, where they are trained on.

    Attributes:
        clips: Of all splits.
        splits: Train has clips; val and test may be empty.
        languages: Of the captions, by the study's order.
        prompts: By language: what the text encoder takes of each class's prompt, (K, F); of
            languages in which the classes have names.
        class_count: Number of classes K, at least 1.
        vocabulary: How many token ids there are; 0 where the text encoder takes none.
        train_texts: The captions of the train split as text, in their order.
        hard_negatives: Composes batches, where ``data.hard_negatives`` asks for it.
        settings: What they were loaded by.
    """

    clips: ClipRows
    splits: Mapping[Split, PairSplit]
    languages: tuple[str, ...]
    prompts: Mapping[str, Tensor]
    class_count: int
    vocabulary: int
    train_texts: tuple[str, ...]
    hard_negatives: HardNegatives | None
    settings: AudioSettings

    @property
    def train_labels_N(self) -> Tensor:  # noqa: N802 - the name that images have
        """Classes of the train clips."""
        return self.splits["train"].labels_N

    @property
    def text_width(self) -> int:
        """Length of a caption's row."""
        return self.splits["train"].captions.inputs_TF.shape[1]
