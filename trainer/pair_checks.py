"""What is measured of members that embed clips and captions, on fixed clips.

Collapse is measured on the test clips and one caption of each, of both towers: a pair of towers
has lost its rank when either has. Retrieval is measured at every check: on the val clips for
choices, on the test clips to say what a choice is worth.

Shape legend: M = members, N = clips, T = captions, B = probe pairs, F = flat inputs, D = embedding.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from trainer.cohort import Cohort
from trainer.collapse.regime import CollapseLevel
from trainer.collapse.spectrum import measure
from trainer.data.audio.source import Split
from trainer.data.pair_data import AUDIO, TEXT, PairData
from trainer.pair_probe import PairProbe
from trainer.pair_scores import retrieval_measures, zero_shot_measures
from trainer.readings import Reading, finite_members, list_readings
from trainer.stack import Stack

QUALITY = "recall_at_1"
_CLIPS_AT_ONCE = 256


@dataclass(frozen=True, slots=True)
class Embedded:
    """One split, embedded by every member: projections are raw."""

    features_MNF: Tensor
    audio_MND: Tensor
    text_MTD: Tensor
    is_finite_M: Tensor


class PairEvaluation:
    """An :class:`~trainer.readings.Evaluation` of clips and captions."""

    def __init__(self, data: PairData, cohort: Cohort) -> None:
        self.level = CollapseLevel(cohort.collapse.metric, cohort.collapse.below)
        self._data = data
        self._settings = cohort.evaluate
        self._probe = PairProbe.of(data, cohort) if cohort.evaluate.drift else None

    def before_check(self, stack: Stack) -> None:
        """Embed the probe batch, for the drift of the step that follows."""
        if self._probe is not None:
            self._probe.look(stack)

    def read(self, stack: Stack) -> list[Reading]:
        """Measure every member in evaluation mode, without augmentation.

        Each reading is that of the tower of lower score; ``effective_rank_audio`` and ``..._text``
        are those of both. ``val_`` measures are of retrieval among the val clips, by which a check
        can be chosen; those of the test clips say what the choice is worth.
        """
        test = self._embed(stack, "test")
        readings = self._rank(test)
        extra = [
            a | b for a, b in zip(self._score(stack, test), self._validate(stack), strict=True)
        ]
        if self._probe is not None:
            probed = self._probe.measure(stack)
            extra = [a | b for a, b in zip(extra, probed, strict=True)]
        return [
            replace(reading, values=reading.values | more) if reading.is_finite else reading
            for reading, more in zip(readings, extra, strict=True)
        ]

    def qualities(self, stack: Stack) -> list[dict[str, float]]:
        """Return the recall at 1 among the test clips, mean of both directions."""
        found = self._score_retrieval(self._embed(stack, "test"), "test")
        return [{QUALITY: measures.get(QUALITY, 0.0)} for measures in found]

    def measure_ends(self, stack: Stack, ends: Sequence[bool]) -> list[dict[str, float]]:
        """Return retrieval, and zero-shot accuracy if asked for, of each member that ends."""
        test = self._embed(stack, "test")
        return [
            {QUALITY: 0.0} | measures if is_end else {}
            for measures, is_end in zip(self._score(stack, test), ends, strict=True)
        ]

    def embed(self, stack: Stack) -> tuple[Tensor, Tensor]:
        """Return audio features (M, N, F) and raw projections (M, N, D) of the test clips."""
        test = self._embed(stack, "test")
        return test.features_MNF, test.audio_MND

    def _score(self, stack: Stack, test: Embedded) -> list[dict[str, float]]:
        """Return retrieval, and zero-shot accuracy if asked for, of the test clips."""
        found = self._score_retrieval(test, "test")
        if not self._settings.zero_shot:
            return found
        return [a | b for a, b in zip(found, self._classify(stack, test), strict=True)]

    def _validate(self, stack: Stack) -> list[dict[str, float]]:
        # A source may have no val clips, and not every encoder takes a batch of none.
        if not len(self._data.splits["val"].positions_N):
            return [{} for _ in stack.members]
        return self._score_retrieval(self._embed(stack, "val"), "val", prefix="val_")

    def _embed(self, stack: Stack, split: Split) -> Embedded:
        own = self._data.splits[split]
        pieces = [
            stack.embed(self._data.clips.plain(positions), view=AUDIO)
            for positions in torch.split(own.positions_N, _CLIPS_AT_ONCE)
        ]
        features, audio = (torch.cat([piece[i] for piece in pieces], dim=1) for i in range(2))
        _, text = stack.embed(own.captions.inputs_TF, view=TEXT)
        is_finite = finite_members(features) & finite_members(audio) & finite_members(text)
        return Embedded(features, audio, text, is_finite)

    def _rank(self, test: Embedded) -> list[Reading]:
        """Measure both towers; a reading is that of the lower score."""
        mask_M11 = test.is_finite_M[:, None, None]
        first_N = self._data.splits["test"].captions.first_N
        audio_MND = test.audio_MND.where(mask_M11, 0.0)
        text_MND = test.text_MTD[:, first_N].where(mask_M11, 0.0)
        by_tower = []
        for own_MND, other_MND in ((audio_MND, text_MND), (text_MND, audio_MND)):
            collapse = measure(own_MND, other_MND)
            by_tower.append(list_readings(test.is_finite_M, self.level.score(collapse), collapse))
        return [_lower(audio, text) for audio, text in zip(*by_tower, strict=True)]

    def _score_retrieval(
        self, embedded: Embedded, split: Split, prefix: str = ""
    ) -> list[dict[str, float]]:
        captions = self._data.splits[split].captions
        return [
            {
                prefix + name: value
                for name, value in retrieval_measures(
                    audio_ND, text_TD, captions.clip_T, captions.language_T, self._data.languages
                ).items()
            }
            if finite
            else {}
            for audio_ND, text_TD, finite in zip(
                embedded.audio_MND, embedded.text_MTD, embedded.is_finite_M.tolist(), strict=True
            )
        ]

    def _classify(self, stack: Stack, test: Embedded) -> list[dict[str, float]]:
        prompts = {
            language: stack.embed(inputs_KF, view=TEXT)[1]
            for language, inputs_KF in self._data.prompts.items()
        }
        labels_N = self._data.splits["test"].labels_N
        return [
            zero_shot_measures(audio_ND, {lang: p[m] for lang, p in prompts.items()}, labels_N)
            if test.is_finite_M[m] and all(p[m].isfinite().all() for p in prompts.values())
            else {}
            for m, audio_ND in enumerate(test.audio_MND)
        ]


def _lower(audio: Reading, text: Reading) -> Reading:
    if not audio.is_finite:
        return audio
    ranks = {
        "effective_rank_audio": audio.values["effective_rank"],
        "effective_rank_text": text.values["effective_rank"],
    }
    lower = min(audio, text, key=lambda reading: reading.score)
    return replace(lower, values=lower.values | ranks)
