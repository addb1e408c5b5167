"""Batches in which a pair meets the negatives that are hardest to tell from it.

Every batch has one *anchor*, its K hardest negatives, and B - 1 - K other pairs, all in a random
order. How hard a negative is does not change while towers learn: it is the cosine of frozen
captions (:func:`trainer.data.frozen_rows.caption_rows`). Pairs that have a caption in common name
the same sound, and are no negatives of each other. An epoch is without replacement, as in plain
batches: the anchor is the first pair of the epoch's order that no batch has had yet, its hardest
negatives are those among the pairs that no batch has had yet, and the others are the next in the
order. So no pair is seen more often than another, and the later a batch of an epoch, the fewer
there are to be hard. With K = 0 batches are the plain ones.

SupCLAP varies K from 6 to 18 in batches of 24; how its batches are composed is not published.

Shape legend: N = train clips, B = clips of a batch, K = hardest negatives, C = features.

References:
    Luo et al., "SupCLAP", arXiv:2509.21033, Fig. 7.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from trainer.seeds import generator_for


@dataclass(frozen=True, slots=True)
class Namesakes:
    """Which train clips have a caption in common.

    Attributes:
        texts_of_clip: The numbers of each clip's captions; equal texts have one number.
        clips_of_text: The clips that have each of them.
    """

    texts_of_clip: Sequence[Sequence[int]]
    clips_of_text: Sequence[Tensor]

    @classmethod
    def of(cls, texts: Sequence[str], clip_T: Sequence[int]) -> "Namesakes":
        """Compare captions as they are written.

        Args:
            texts: The captions of the train split.
            clip_T: Whose each is; every clip has one at least.
        """
        numbers: dict[str, int] = {}
        texts_of_clip: list[list[int]] = [[] for _ in range(max(clip_T) + 1)]
        clips_of_text: list[list[int]] = []
        for text, clip in zip(texts, clip_T, strict=True):
            number = numbers.setdefault(text, len(numbers))
            if number == len(clips_of_text):
                clips_of_text.append([])
            texts_of_clip[clip].append(number)
            clips_of_text[number].append(clip)
        return cls(texts_of_clip, [torch.tensor(clips) for clips in clips_of_text])

    def of_clip(self, clip: int) -> Tensor:
        """Return the clips that share a caption with one, itself among them."""
        return torch.cat([self.clips_of_text[number] for number in self.texts_of_clip[clip]])


@dataclass(slots=True)
class HardNegatives:
    """Composes the batches of all replicates, epoch by epoch.

    Attributes:
        hardest: K, from 1 to B - 1.
        rows_NC: Frozen captions, unit rows, float32, on the CPU.
        namesakes: Who is no negative of whom.
    """

    hardest: int
    rows_NC: Tensor
    namesakes: Namesakes
    _epochs: dict[tuple[int, int], tuple[int, Tensor]] = field(default_factory=dict)

    def draw_rows(self, batch_size: int, seed: int, step: int) -> Tensor:
        """Return which clips a step sees, (B,), on the CPU; the same for equal arguments.

        The last epoch of each seed is kept: composing one takes N / B products of N rows.
        """
        count = len(self.rows_NC)
        epoch, position = divmod(step, count // batch_size)
        known = self._epochs.get((seed, batch_size))
        if known is None or known[0] != epoch:
            known = epoch, self.compose_epoch(batch_size, seed, epoch)
            self._epochs[seed, batch_size] = known
        return known[1][position]

    def compose_epoch(self, batch_size: int, seed: int, epoch: int) -> Tensor:
        """Return the batches of an epoch, (N // B, B); no clip is in two of them."""
        count = len(self.rows_NC)
        order_N = torch.randperm(count, generator=generator_for(seed, "epoch", epoch))
        is_free_N = torch.ones(count, dtype=torch.bool)
        batches = []
        for number in range(count // batch_size):
            batch_B = self._compose(order_N, is_free_N, batch_size)
            is_free_N[batch_B] = False
            generator = generator_for(seed, "hard-order", epoch, number)
            batches.append(batch_B[torch.randperm(batch_size, generator=generator)])
        return torch.stack(batches)

    def _compose(self, order_N: Tensor, is_free_N: Tensor, batch_size: int) -> Tensor:
        """Return anchor, hardest negatives, others: the hardest first."""
        free_n = order_N[is_free_N[order_N]]
        anchor = int(free_n[0])
        hard_K = self._find_hardest(anchor, is_free_N)
        is_left_N = is_free_N.clone()
        is_left_N[anchor] = is_left_N[hard_K] = False
        others_n = free_n[is_left_N[free_n]]
        return torch.cat([free_n[:1], hard_K, others_n])[:batch_size]

    def _find_hardest(self, anchor: int, is_free_N: Tensor) -> Tensor:
        """Return the K negatives among the free clips that are most like the anchor, or fewer.

        Of equally hard ones the first in the train split is taken.
        """
        is_negative_N = is_free_N.clone()
        is_negative_N[self.namesakes.of_clip(anchor)] = False
        candidates_n = is_negative_N.nonzero()[:, 0]
        likeness_N = self.rows_NC @ self.rows_NC[anchor]
        ranked_n = likeness_N[candidates_n].sort(descending=True, stable=True).indices
        return candidates_n[ranked_n[: self.hardest]]
