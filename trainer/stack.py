"""A stack: members of one cohort whose parameters, optimiser and objectives step together.

Nothing crosses the member dimension, so a member's numbers do not depend on its neighbours, on
their number, or on whether one of them turned into NaN.

Shape legend: M = members alive, R = distinct replicates, V = 2 views, B = batch, F = flat
pixels, D = embedding.
"""

from collections.abc import Mapping, Sequence
from typing import Literal

import torch
from torch import Tensor

from trainer.cohort import Cohort, Member
from trainer.crew import ALONE, Crew
from trainer.data.batches import draw_label_mask
from trainer.data.frozen_rows import FrozenRows
from trainer.data.pair_data import PairData
from trainer.data.training_data import TrainingData
from trainer.errors import MicroBatchError, SplitError
from trainer.flat_state import prefixed, take_like, under
from trainer.gradients import Batch, Gradients, Part, average, cut_parts, differentiate
from trainer.groups import Group, build_groups, select_groups
from trainer.models.for_data import model_for
from trainer.models.protocol import Model, Tensors
from trainer.norms import clip_scales, scale_members
from trainer.objective import structure, uses_labels, uses_likeness
from trainer.objective_settings import ObjectiveSettings
from trainer.optimizers.build import build_optimizer
from trainer.optimizers.protocol import Optimizer
from trainer.route import Route


def pack_order(member: Member) -> tuple[str, str, int, str]:
    """Sort key that puts members with one norm, one objective structure, one seed side by side."""
    return member.norm or "", structure(member.objective), member.seed, member.trial


class Stack:
    """Training state of the members still alive, in the order of ``members``."""

    def __init__(
        self,
        cohort: Cohort,
        data: TrainingData,
        device: torch.device,
        dtype: torch.dtype,
        crew: Crew = ALONE,
    ) -> None:
        self.members: tuple[Member, ...] = tuple(sorted(cohort.members, key=pack_order))
        self._device = device
        norms = [member.norm or cohort.model.norm for member in self.members]
        self._model: Model = model_for(cohort.model, data, norms)
        seeds = [member.seed for member in self.members]
        drawn = self._model.init_parameters(seeds)
        self.parameters = {name: p.to(device, dtype) for name, p in drawn.items()}
        running = self._model.init_running(len(seeds))
        self._running = {name: r.to(device, dtype) for name, r in running.items()}
        self._groups = build_groups(self.members, cohort, data.class_count, device, dtype)
        self._labels_N = data.train_labels_N
        self._masks_MN = _label_masks(self.members, data)
        self._uses_labels = any(uses_labels(member.objective) for member in self.members)
        self._frozen = _frozen_rows(self.members, data)
        self._optimizer: Optimizer = build_optimizer(cohort.train, self.members, device, dtype)
        self._route = Route.of(cohort.train, crew)
        self._clip_norm = cohort.train.clip_norm
        self._parts = cut_parts(self._model, self._groups)
        self._check_micro_batches()
        if cohort.train.split == "data" and self._running:
            raise SplitError(
                "train.split: data cannot be used with batch norm, whose statistics are those of "
                "the whole batch: choose norm: layer or none, or split: members"
            )

    def step(self, views_MVBF: Tensor, indices_MB: Tensor) -> Tensor:
        """Take one optimiser step for every member and return the losses before it, (M,).

        A member with a non-finite loss steps into NaN and stays there; the caller removes it.
        """
        batch = Batch(views_MVBF, *self._look_up(indices_MB), self._compare(indices_MB))
        gradients = differentiate(
            self._parts, self.parameters, self._running, self._groups, batch, self._route
        )
        gradients = average(gradients, self._route.crew)
        with torch.no_grad():
            if self._clip_norm is not None:
                gradients = self._clip(gradients, self._clip_norm)
            self._optimizer.step(self.parameters, gradients.model)
            for group, own in zip(self._groups, gradients.groups, strict=True):
                group.optimizer.step(group.parameters, own)
        return gradients.losses_M

    @torch.no_grad()
    def embed(self, inputs_NF: Tensor, view: Literal[0, 1] = 0) -> tuple[Tensor, Tensor]:
        """Return features (M, N, F) and raw projections (M, N, D) in evaluation mode.

        Never in bfloat16: round-off fills the tail of a spectrum and hides its collapse. Rows
        are embedded as many at a time as in training where micro-batches bound that.

        Args:
            inputs_NF: Rows of one view.
            view: Which: of matter where each has a tower of its own.
        """
        at_once = 2 * (self._route.micro_pairs or 0) or len(inputs_NF)
        blocks = torch.split(inputs_NF, at_once)
        embedded = [
            [self._embed_part(part, block, view) for block in blocks] for part in self._parts
        ]
        features, projections = (
            torch.cat([torch.cat([pair[i] for pair in row], dim=1) for row in embedded])
            for i in range(2)
        )
        return features, projections

    def likeness(self, indices_B: Tensor) -> Tensor | None:
        """Return how alike the frozen features of train clips are, (2, B, B).

        None where no member's objective asks for it, or the data have none.
        """
        return None if self._frozen is None else self._frozen.likeness(indices_B)

    @property
    def groups(self) -> Sequence[Group]:
        """Objectives with their parameters, in the order of the members."""
        return self._groups

    def keep(self, positions: Sequence[int]) -> None:
        """Drop every member that is not at one of ``positions`` (ascending): compaction."""
        rows = torch.tensor(positions, dtype=torch.int64, device=self._labels_N.device)
        self.members = tuple(self.members[i] for i in positions)
        self.parameters = {name: p[rows] for name, p in self.parameters.items()}
        self._running = {name: r[rows] for name, r in self._running.items()}
        self._masks_MN = self._masks_MN[rows]
        self._model = self._model.select(positions)
        self._optimizer.select(rows)
        self._groups = select_groups(self._groups, positions)
        self._parts = cut_parts(self._model, self._groups)

    def state(self) -> Tensors:
        """Return all that training depends on and that a new stack would not draw, by flat names.

        Loaded into a stack of a cohort of the members alive, training goes on with the same bits
        as if it had never stopped. Settings, data and label masks are not in it: they follow from
        the cohort. Tensors are copies on the stack's device; all but step counts have a row per
        member, in the order of ``members``.
        """
        state = prefixed("parameters", self.parameters) | prefixed("running", self._running)
        state |= prefixed("optimizer", self._optimizer.state())
        for number, group in enumerate(self._groups):
            state |= prefixed(f"objectives/{number}", group.state())
        return {name: tensor.contiguous().clone() for name, tensor in state.items()}

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Go on from what :meth:`state` returned for the same members.

        Raises:
            StackStateError: If the state is not one of these members, this model and optimiser.
        """
        state = {name: tensor.to(self._device) for name, tensor in state.items()}
        self.parameters = take_like(self.parameters, state, "parameters")
        self._running = take_like(self._running, state, "running")
        self._optimizer.load_state(under("optimizer", state))
        for number, group in enumerate(self._groups):
            group.load_state(under(f"objectives/{number}", state))
        self._parts = cut_parts(self._model, self._groups)

    def _look_up(self, indices_MB: Tensor) -> tuple[Tensor, Tensor]:
        """Return labels and who is labelled, each (M, B), or (M, 0) where no objective asks."""
        if not self._uses_labels:  # A thirtieth of a tiny stack's step.
            return indices_MB.narrow(1, 0, 0), self._masks_MN.narrow(1, 0, 0)
        return self._labels_N[indices_MB], self._masks_MN.gather(1, indices_MB)

    def _compare(self, indices_MB: Tensor) -> Tensor | None:
        """Return :meth:`likeness` of each member's batch, (M, 2, B, B), once for a seed."""
        if self._frozen is None:
            return None
        seeds = [member.seed for member in self.members]
        batches = dict(zip(seeds, indices_MB, strict=True))
        by_seed = {seed: self._frozen.likeness(own_B) for seed, own_B in batches.items()}
        return torch.stack([by_seed[seed] for seed in seeds])

    def _check_micro_batches(self) -> None:
        if self._route.micro_pairs is not None and self._running:
            raise MicroBatchError(
                "train.micro_batch_size cannot be smaller than train.batch_size with batch norm, "
                "whose statistics are those of the whole batch: choose norm: layer or none, or "
                "leave it out"
            )

    def _embed_part(
        self, part: Part, inputs_NF: Tensor, view: Literal[0, 1]
    ) -> tuple[Tensor, Tensor]:
        inputs_MNF = inputs_NF.expand(part.rows.stop - part.rows.start, -1, -1)
        parameters = {name: p[part.rows] for name, p in self.parameters.items()}
        running = {name: r[part.rows] for name, r in self._running.items()}
        towers = part.model.towers
        tower = towers[min(view, len(towers) - 1)]
        features = tower.encode(parameters, running, inputs_MNF, training=False)
        return features, tower.project(parameters, running, features, training=False)

    def _clip(self, gradients: Gradients, most: float) -> Gradients:
        """Bound each member's gradient by the model's and its objective's parameters together."""
        scales, start = [], 0
        for group, own in zip(self._groups, gradients.groups, strict=True):
            rows = slice(start, start + group.size)
            start += group.size
            of_model = [gradient[rows] for gradient in gradients.model.values()]
            scales.append(clip_scales([*of_model, *own.values()], most))
        return Gradients(
            gradients.losses_M,
            scale_members(gradients.model, torch.cat(scales)),
            [
                scale_members(own, scale)
                for own, scale in zip(gradients.groups, scales, strict=True)
            ],
        )


def _frozen_rows(members: Sequence[Member], data: TrainingData) -> FrozenRows | None:
    if isinstance(data, PairData) and any(uses_likeness(m.objective) for m in members):
        return FrozenRows.of(data)
    return None


def _label_masks(members: Sequence[Member], data: TrainingData) -> Tensor:
    wanted = {(_label_fraction(m.objective), m.seed) for m in members}
    masks = {key: draw_label_mask(data.train_labels_N, *key) for key in wanted}
    return torch.stack([masks[_label_fraction(m.objective), m.seed] for m in members])


def _label_fraction(objective: ObjectiveSettings) -> float:
    """Return the share of labels an objective may use; 1 for kinds without such a setting."""
    return float(getattr(objective, "label_fraction", 1.0))
