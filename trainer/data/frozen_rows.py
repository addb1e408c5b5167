"""Frozen features of the train clips: how alike captions and sounds are before anything learns.

Of a tower that stays as it is they are its encoder's features; of one that is trained they are
those without a network: hashed words, and means and deviations of mel bands. Computed once, the
same for all replicates; likeness is the cosine.

Shape legend: N = train clips, T = their captions, C = features, M = members, S = 2 sides (caption,
sound), B = clips of a batch.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from trainer.data.pair_data import Captions, PairData
from trainer.data.text.word_hash import hash_words
from trainer.losses.rows import normalize_rows

HASH_BUCKETS = 1024
_CAPTIONS_AT_ONCE = 8192
_CLIPS_AT_ONCE = 256
_SMALLEST_STD = 1e-6


@dataclass(frozen=True, slots=True)
class FrozenRows:
    """Features of the train clips, where they are trained on.

    Attributes:
        text_NC: Of captions, see :func:`caption_rows`.
        audio_NC: Of sounds, see :func:`sound_rows`.
    """

    text_NC: Tensor
    audio_NC: Tensor

    @classmethod
    def of(cls, data: PairData) -> "FrozenRows":
        """Compute them from what two towers are trained on."""
        split = data.splits["train"]
        text_NC = caption_rows(split.captions, data.train_texts, is_features=not data.vocabulary)
        audio_NC = sound_rows(data)
        like = split.captions.inputs_TF
        return cls(text_NC.to(like), audio_NC.to(like))

    def likeness(self, indices_B: Tensor) -> Tensor:
        """Return the cosines of a batch's captions with each other, and of its sounds, (2, B, B).

        Args:
            indices_B: Positions in the train split.
        """
        sides = (rows_NC[indices_B] for rows_NC in (self.text_NC, self.audio_NC))
        return torch.stack([rows_BC @ rows_BC.mT for rows_BC in sides])


def caption_rows(captions: Captions, texts: Sequence[str], *, is_features: bool) -> Tensor:
    """Return a unit row for each clip, (N, C), float32, on the CPU: the mean of its captions.

    The mean over all clips is taken off before rows are normalised, for what all captions share
    tells none apart.

    Args:
        captions: Of the train split.
        texts: The same as text, in the same order.
        is_features: ``captions`` hold features of an encoder that stays as it is. Otherwise they
            are token ids, and words are hashed to HASH_BUCKETS signed counts instead.
    """
    total_NC: Tensor | None = None
    clip_T = captions.clip_T.cpu()
    for first in range(0, len(texts), _CAPTIONS_AT_ONCE):
        part = slice(first, first + _CAPTIONS_AT_ONCE)
        if is_features:
            rows_TC = captions.inputs_TF[part].cpu().float()
        else:
            rows_TC = hash_words(texts[part], HASH_BUCKETS)
        if total_NC is None:
            total_NC = rows_TC.new_zeros(len(captions.counts_N), rows_TC.shape[1])
        total_NC.index_add_(0, clip_T[part], rows_TC)
    assert total_NC is not None, "a train split has clips, and every clip a caption"
    mean_NC = total_NC / captions.counts_N.cpu()[:, None]
    return normalize_rows(mean_NC - mean_NC.mean(dim=0))


def sound_rows(data: PairData) -> Tensor:
    """Return a unit row for each train clip, (N, C), float32, on the CPU.

    Every feature is brought to mean 0 and deviation 1 over the clips before rows are normalised:
    levels and deviations of bands, or the outputs of a network, have scales of their own.
    """
    positions_N = data.splits["train"].positions_N
    parts = [data.clips.frozen(piece_B) for piece_B in torch.split(positions_N, _CLIPS_AT_ONCE)]
    rows_NC = torch.cat([part.cpu().float() for part in parts])
    deviation_C, mean_C = torch.std_mean(rows_NC, dim=0, correction=0)
    return normalize_rows((rows_NC - mean_C) / deviation_C.clamp_min(_SMALLEST_STD))
