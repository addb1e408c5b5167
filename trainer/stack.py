"""A stack: members of one cohort whose parameters, optimiser and objectives step together.

Nothing crosses the member dimension, so a member's numbers do not depend on its neighbours, on
their number, or on whether one of them turned into NaN.

Shape legend: M = members alive, R = distinct replicates, V = 2 views, B = batch, F = flat
pixels, D = embedding.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

import torch
from torch import Tensor

from trainer.cohort import Cohort, Member
from trainer.data.batches import draw_label_mask
from trainer.data.image_data import ImageData
from trainer.errors import StackStateError
from trainer.models.build import build_model
from trainer.models.protocol import Model, Tensors
from trainer.objective import (
    Objective,
    ObjectiveBatch,
    ObjectiveContext,
    build_objective,
    structure,
)
from trainer.objective_settings import ObjectiveSettings
from trainer.objectives.held import held_tensors, replace_held
from trainer.optimizers.build import build_optimizer
from trainer.optimizers.protocol import Optimizer


@dataclass(slots=True)
class Group:
    """Neighbouring members whose objective is one stacked call.

    ``optimizer`` steps the objective's own parameters, by the members' rates and schedules.
    """

    objective: Objective
    parameters: Tensors
    optimizer: Optimizer
    size: int

    def state(self) -> Tensors:
        """Return the objective's parameters, its optimiser's state and the tensors it holds."""
        return (
            _prefixed("parameters", self.parameters)
            | _prefixed("optimizer", self.optimizer.state())
            | _prefixed("held", held_tensors(self.objective))
        )

    def load_state(self, state: Tensors) -> None:
        """Go on from what :meth:`state` returned."""
        self.parameters = _like(self.parameters, state, "parameters")
        self.optimizer.load_state(_under("optimizer", state))
        held = _like(held_tensors(self.objective), state, "held")
        self.objective = replace_held(self.objective, held)


def pack_order(member: Member) -> tuple[str, str, int, str]:
    """Sort key that puts members with one norm, one objective structure, one seed side by side."""
    return member.norm or "", structure(member.objective), member.seed, member.trial


class Stack:
    """Training state of the members still alive, in the order of ``members``."""

    def __init__(
        self, cohort: Cohort, data: ImageData, device: torch.device, dtype: torch.dtype
    ) -> None:
        self.members: tuple[Member, ...] = tuple(sorted(cohort.members, key=pack_order))
        self._device = device
        norms = [member.norm or cohort.model.norm for member in self.members]
        self._model: Model = build_model(cohort.model, data.image_shape, norms)
        seeds = [member.seed for member in self.members]
        drawn = self._model.init_parameters(seeds)
        self.parameters = {name: p.to(device, dtype) for name, p in drawn.items()}
        running = self._model.init_running(len(seeds))
        self._running = {name: r.to(device, dtype) for name, r in running.items()}
        self._groups = _build_groups(self.members, cohort, data.class_count, device, dtype)
        self._labels_N = data.train_labels_N
        self._masks_MN = _label_masks(self.members, data)
        self._optimizer: Optimizer = build_optimizer(cohort.train, self.members, device, dtype)

    def step(self, views_MVBF: Tensor, indices_MB: Tensor) -> Tensor:
        """Take one optimiser step for every member and return the losses before it, (M,).

        A member with a non-finite loss steps into NaN and stays there; the caller removes it.
        """
        owned = [(self._optimizer, self.parameters)]
        owned += [(group.optimizer, group.parameters) for group in self._groups]
        leaves = [tensor for _, parameters in owned for tensor in parameters.values()]
        for leaf in leaves:
            leaf.requires_grad_(True)
        losses_M = self._losses(views_MVBF, indices_MB)
        # The sum's gradient is each member's own gradient: members share no parameter.
        gradients = iter(torch.autograd.grad(losses_M.sum(), leaves, materialize_grads=True))
        for leaf in leaves:
            leaf.requires_grad_(False)
        with torch.no_grad():
            for optimizer, parameters in owned:
                optimizer.step(parameters, {name: next(gradients) for name in parameters})
        return losses_M.detach()

    @torch.no_grad()
    def embed(self, images_NF: Tensor) -> tuple[Tensor, Tensor]:
        """Return features (M, N, F) and raw projections (M, N, D) in evaluation mode."""
        inputs_MNF = images_NF.expand(len(self.members), -1, -1)
        features = self._model.encode(self.parameters, self._running, inputs_MNF, training=False)
        return features, self._model.project(
            self.parameters, self._running, features, training=False
        )

    def keep(self, positions: Sequence[int]) -> None:
        """Drop every member that is not at one of ``positions`` (ascending): compaction."""
        rows = torch.tensor(positions, dtype=torch.int64, device=self._labels_N.device)
        self.members = tuple(self.members[i] for i in positions)
        self.parameters = {name: p[rows] for name, p in self.parameters.items()}
        self._running = {name: r[rows] for name, r in self._running.items()}
        self._masks_MN = self._masks_MN[rows]
        self._model = self._model.select(positions)
        self._optimizer.select(rows)
        self._groups = _select_groups(self._groups, positions)

    def state(self) -> Tensors:
        """Return all that training depends on and that a new stack would not draw, by flat names.

        Loaded into a stack of a cohort of the members alive, training goes on with the same bits
        as if it had never stopped. Settings, data and label masks are not in it: they follow from
        the cohort. Tensors are copies on the stack's device; all but step counts have a row per
        member, in the order of ``members``.
        """
        state = _prefixed("parameters", self.parameters) | _prefixed("running", self._running)
        state |= _prefixed("optimizer", self._optimizer.state())
        for number, group in enumerate(self._groups):
            state |= _prefixed(f"objectives/{number}", group.state())
        return {name: tensor.contiguous().clone() for name, tensor in state.items()}

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Go on from what :meth:`state` returned for the same members.

        Raises:
            StackStateError: If the state is not one of these members, this model and optimiser.
        """
        state = {name: tensor.to(self._device) for name, tensor in state.items()}
        self.parameters = _like(self.parameters, state, "parameters")
        self._running = _like(self._running, state, "running")
        self._optimizer.load_state(_under("optimizer", state))
        for number, group in enumerate(self._groups):
            group.load_state(_under(f"objectives/{number}", state))

    def _losses(self, views_MVBF: Tensor, indices_MB: Tensor) -> Tensor:
        features = self._model.encode(
            self.parameters, self._running, views_MVBF.flatten(1, 2), training=True
        )
        projections_MND = self._model.project(
            self.parameters, self._running, features, training=True
        )
        x_MBD, y_MBD = projections_MND.chunk(2, dim=1)
        labels_MB = self._labels_N[indices_MB]
        labelled_MB = self._masks_MN.gather(1, indices_MB)
        losses, start = [], 0
        for group in self._groups:
            rows = slice(start, start + group.size)
            batch = ObjectiveBatch(x_MBD[rows], y_MBD[rows], labels_MB[rows], labelled_MB[rows])
            losses.append(group.objective(group.parameters, batch))
            start += group.size
        return torch.cat(losses)


def _build_groups(
    members: Sequence[Member],
    cohort: Cohort,
    class_count: int,
    device: torch.device,
    dtype: torch.dtype,
) -> list[Group]:
    groups = []
    for _, neighbours in groupby(members, key=lambda member: structure(member.objective)):
        group = list(neighbours)
        context = ObjectiveContext(
            batch_size=cohort.train.batch_size,
            embed_dim=cohort.model.embed_dim,
            class_count=class_count,
            seeds=tuple(member.seed for member in group),
            device=device,
            dtype=dtype,
        )
        objective = build_objective([member.objective for member in group], context)
        optimizer = build_optimizer(cohort.train, group, device, dtype)
        groups.append(Group(objective, objective.init_parameters(), optimizer, len(group)))
    return groups


def _select_groups(groups: Sequence[Group], positions: Sequence[int]) -> list[Group]:
    selected, start = [], 0
    for group in groups:
        kept = [p - start for p in positions if start <= p < start + group.size]
        start += group.size
        if kept:
            rows = torch.tensor(kept)
            group.optimizer.select(rows)
            parameters = {name: p[rows] for name, p in group.parameters.items()}
            selected.append(
                Group(group.objective.select(kept), parameters, group.optimizer, len(kept))
            )
    return selected


def _label_masks(members: Sequence[Member], data: ImageData) -> Tensor:
    wanted = {(_label_fraction(m.objective), m.seed) for m in members}
    masks = {key: draw_label_mask(data.train_labels_N, *key) for key in wanted}
    return torch.stack([masks[_label_fraction(m.objective), m.seed] for m in members])


def _label_fraction(objective: ObjectiveSettings) -> float:
    """Return the share of labels an objective may use; 1 for kinds without such a setting."""
    return float(getattr(objective, "label_fraction", 1.0))


def _prefixed(prefix: str, tensors: Mapping[str, Tensor]) -> Tensors:
    return {f"{prefix}/{name}": tensor for name, tensor in tensors.items()}


def _under(prefix: str, state: Mapping[str, Tensor]) -> Tensors:
    start = f"{prefix}/"
    return {n.removeprefix(start): t for n, t in state.items() if n.startswith(start)}


def _like(expected: Mapping[str, Tensor], state: Mapping[str, Tensor], prefix: str) -> Tensors:
    """Return copies of the tensors under a prefix, which must be like those expected."""
    loaded = _under(prefix, state)
    if (wanted := _signatures(expected)) != (got := _signatures(loaded)):
        different = sorted(set(wanted.items()) ^ set(got.items()), key=str)
        raise StackStateError(
            f"the saved {prefix} belong to another cohort: expected and got differ in "
            f"{', '.join(f'{name} {shape}' for name, (shape, _) in different)}; delete the "
            "checkpoint to start anew, or resume the cohort that wrote it"
        )
    return {name: loaded[name].clone() for name in expected}


def _signatures(tensors: Mapping[str, Tensor]) -> dict[str, tuple[tuple[int, ...], torch.dtype]]:
    return {name: (tuple(tensor.shape), tensor.dtype) for name, tensor in tensors.items()}
