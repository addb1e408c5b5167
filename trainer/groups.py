"""Neighbouring members of a stack whose objective is one stacked call.

Shape legend: M = members.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import torch
from torch import Tensor

from trainer.cohort import Cohort, Member
from trainer.flat_state import Tensors, prefixed, take_like, under
from trainer.objective import Objective, ObjectiveContext, build_objective, structure
from trainer.objectives.held import held_tensors, replace_held
from trainer.optimizers.build import build_optimizer
from trainer.optimizers.protocol import Optimizer


@dataclass(slots=True)
class Group:
    """An objective, the parameters of its own, and their optimiser.

    ``optimizer`` goes by the members' rates and schedules.
    """

    objective: Objective
    parameters: Tensors
    optimizer: Optimizer
    size: int

    def state(self) -> Tensors:
        """Return the objective's parameters, its optimiser's state and the tensors it holds."""
        return (
            prefixed("parameters", self.parameters)
            | prefixed("optimizer", self.optimizer.state())
            | prefixed("held", held_tensors(self.objective))
        )

    def load_state(self, state: Tensors) -> None:
        """Go on from what :meth:`state` returned."""
        self.parameters = take_like(self.parameters, state, "parameters")
        self.optimizer.load_state(under("optimizer", state))
        held = take_like(held_tensors(self.objective), state, "held")
        self.objective = replace_held(self.objective, held)


def build_groups(
    members: Sequence[Member],
    cohort: Cohort,
    class_count: int,
    device: torch.device,
    dtype: torch.dtype,
) -> list[Group]:
    """Return the groups of members in stack order."""
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


def select_groups(groups: Sequence[Group], positions: Sequence[int]) -> list[Group]:
    """Return the groups with the members at these positions of the stack; empty ones go."""
    selected, start = [], 0
    for group in groups:
        kept = [p - start for p in positions if start <= p < start + group.size]
        start += group.size
        if kept:
            selected.append(_select(group, kept))
    return selected


def _select(group: Group, kept: Sequence[int]) -> Group:
    rows = torch.tensor(kept, dtype=torch.int64)
    group.optimizer.select(rows)
    parameters: dict[str, Tensor] = {name: p[rows] for name, p in group.parameters.items()}
    return Group(group.objective.select(kept), parameters, group.optimizer, len(kept))
