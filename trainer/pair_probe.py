"""A fixed batch of train pairs, on which drift and semantic radius are watched.

Shape legend: M = members, B = pairs, F = flat inputs, D = embedding.
"""

from dataclasses import dataclass, field

import torch
from torch import Tensor

from trainer.cohort import Cohort
from trainer.data.batches import draw_rows
from trainer.data.pair_data import AUDIO, TEXT, PairData
from trainer.data.transfer import send
from trainer.objectives.protocol import ObjectiveBatch
from trainer.pair_drift import drift_grad_measures, drift_step_measures
from trainer.pair_radius import radius_measures
from trainer.seeds import derive_seed
from trainer.stack import Stack


@dataclass(slots=True)
class PairProbe:
    """As many train pairs as a batch has, drawn by the split's seed, without augmentation.

    The radius predictor of DynamicSVR takes batches of that size only.
    """

    audio_BF: Tensor
    text_BF: Tensor
    clips_B: Tensor
    labels_B: Tensor
    _before: dict[str, Tensor] = field(default_factory=dict)

    @classmethod
    def of(cls, data: PairData, cohort: Cohort) -> "PairProbe":
        """Draw the pairs: equal for all replicates of a study."""
        split = data.splits["train"]
        seed = derive_seed(data.settings.split_seed, "drift-probe")
        drawn_B = draw_rows(len(split.labels_N), cohort.train.batch_size, seed, step=0)
        clips_B = send(drawn_B, split.labels_N)
        first_B = split.captions.first_N[clips_B]
        return cls(
            data.clips.plain(split.positions_N[clips_B]),
            split.captions.inputs_TF[first_B],
            clips_B,
            split.labels_N[clips_B],
        )

    def look(self, stack: Stack) -> None:
        """Remember where the pairs are before a step."""
        projections = self._embed(stack)
        self._before = {
            member.trial: views_2BD
            for member, views_2BD in zip(stack.members, projections, strict=True)
        }

    def measure(self, stack: Stack) -> list[dict[str, float]]:
        """Return each member's drift and radius; {} where embeddings are not finite.

        A step that :meth:`look` did not come before has moved nothing, as before the first one.
        """
        views_MND = self._embed(stack)
        by_gradient = self._measure_groups(stack, views_MND)
        by_step = self._measure_steps(stack, views_MND)
        return [a | b for a, b in zip(by_gradient, by_step, strict=True)]

    def _embed(self, stack: Stack) -> Tensor:
        """Return raw projections of captions, then of sounds, (M, 2B, D)."""
        views = [stack.embed(self.text_BF, view=TEXT)[1], stack.embed(self.audio_BF, view=AUDIO)[1]]
        return torch.cat(views, dim=1)

    def _measure_groups(self, stack: Stack, views_MND: Tensor) -> list[dict[str, float]]:
        found: list[dict[str, float]] = []
        likeness_SBB = stack.likeness(self.clips_B)
        for group in stack.groups:
            rows = slice(len(found), len(found) + group.size)
            labels_MB = self.labels_B.expand(group.size, -1)
            batch = ObjectiveBatch(
                views_MND[rows],
                labels_MB,
                torch.ones_like(labels_MB, dtype=torch.bool),
                likeness_MSBB=None
                if likeness_SBB is None
                else likeness_SBB.expand(group.size, -1, -1, -1),
            )
            drift = drift_grad_measures(group.objective, group.parameters, batch)
            radii = radius_measures(group.objective, group.parameters, batch)
            found += [a | b for a, b in zip(drift, radii, strict=True)]
        return found

    def _measure_steps(self, stack: Stack, views_MND: Tensor) -> list[dict[str, float]]:
        before = [
            self._before.get(member.trial, now_ND)
            for member, now_ND in zip(stack.members, views_MND, strict=True)
        ]
        return drift_step_measures(torch.stack(before), views_MND)
