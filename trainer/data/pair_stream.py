"""Batches of clips and captions, keyed by (seed, step) as those of images are.

Shape legend: N = clips, V = 2 views (caption, sound), B = batch, F = flat inputs.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import pad

from trainer.data.batches import ViewBatch, draw_rows
from trainer.data.pair_data import PairData
from trainer.data.transfer import send
from trainer.losses.rows import COLUMN_MULTIPLE
from trainer.seeds import generator_for


@dataclass(frozen=True, slots=True)
class PairStream:
    """The batches of one replicate: epochs without replacement, ragged rest dropped.

    A clip is heard in a new view each time, and one of its captions, of any language, is drawn.
    With ``data.hard_negatives`` an epoch is cut into other batches, see there.
    """

    data: PairData
    batch_size: int
    seed: int

    def batch_at(self, step: int) -> ViewBatch:
        """Return the batch of optimiser step ``step`` (from 0), always the same one.

        Rows of the narrower view are filled up with zeros.
        """
        split = self.data.splits["train"]
        clips_B = send(self._draw_rows(step), split.labels_N)
        audio_BF = self.data.clips.views(
            split.positions_N[clips_B], generator_for(self.seed, "augment", step)
        )
        drawn_B = split.captions.draw(clips_B, generator_for(self.seed, "caption", step))
        return ViewBatch(stack_views(split.captions.inputs_TF[drawn_B], audio_BF), clips_B)

    def _draw_rows(self, step: int) -> Tensor:
        if self.data.hard_negatives is not None:
            return self.data.hard_negatives.draw_rows(self.batch_size, self.seed, step)
        count = len(self.data.splits["train"].labels_N)
        return draw_rows(count, self.batch_size, self.seed, step)


def stack_views(text_BF: Tensor, audio_BG: Tensor) -> Tensor:
    """Return both views as one tensor (2, B, W), rows filled up to the wider ones.

    And to whole cache lines, W a multiple of 16: a tower's rows are a slice, and where a
    member's begin must not depend on its place in the stack (:mod:`trainer.models.stacked_linear`).
    """
    widest = max(text_BF.shape[1], audio_BG.shape[1])
    width = widest + -widest % COLUMN_MULTIPLE
    views = [pad(rows, (0, width - rows.shape[1])) for rows in (text_BF, audio_BG)]
    return torch.stack(views)
