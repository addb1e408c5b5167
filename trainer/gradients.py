"""Losses and gradients of a stack, by the route that the settings and the model ask for.

Independent choices: all members in one call of the model or a few at a time; the whole batch at
once or in micro-batches, by one worker or by several that each embed a share of it; float32 or
bfloat16 inside encoder and head (see :mod:`trainer.route`). None of them changes what is
computed, only the memory it takes, the speed, and for bfloat16 the rounding.

Shape legend: M = members, V = 2 views, B = batch, N = V B rows, F = flat pixels, D = embedding.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from trainer.crew import Crew
from trainer.groups import Group
from trainer.models.chain import Chain
from trainer.models.protocol import Model, Tensors
from trainer.objective import Objective, ObjectiveBatch
from trainer.route import Route


class Piece(NamedTuple):
    """Neighbouring members of one group: their objective, and their rows in the group."""

    objective: Objective
    group: int
    rows: slice


class Part(NamedTuple):
    """Members that go through the model in one call, at ``rows`` of the stack.

    ``chain`` is the model once more if all of it can be differentiated by hand.
    """

    model: Model
    rows: slice
    pieces: tuple[Piece, ...]
    chain: Chain | None = None


class Batch(NamedTuple):
    """What a step trains on, one row per member."""

    views_MVBF: Tensor
    labels_MB: Tensor
    labelled_MB: Tensor
    likeness_MSBB: Tensor | None = None

    def take(self, rows: slice) -> "Batch":
        """Return what these members train on."""
        likeness_MSBB = None if self.likeness_MSBB is None else self.likeness_MSBB[rows]
        own = self.views_MVBF[rows], self.labels_MB[rows], self.labelled_MB[rows]
        return Batch(*own, likeness_MSBB)

    def embedded(self, views_MND: Tensor) -> ObjectiveBatch:
        """Return the batch as an objective takes it: its projections, and all but its inputs."""
        return ObjectiveBatch(
            views_MND, self.labels_MB, self.labelled_MB, likeness_MSBB=self.likeness_MSBB
        )


class Gradients(NamedTuple):
    """Losses, shape (M,), and their gradients by the model's and each group's parameters."""

    losses_M: Tensor
    model: Tensors
    groups: list[Tensors]


def cut_parts(model: Model, groups: Sequence[Group]) -> tuple[Part, ...]:
    """Return the parts of a stack: one, or one after another where the model asks for it."""
    starts = [sum(group.size for group in groups[:i]) for i in range(len(groups) + 1)]
    at_once = model.members_at_once
    if at_once is None:
        pieces = (Piece(g.objective, i, slice(0, g.size)) for i, g in enumerate(groups))
        return (Part(model, slice(0, starts[-1]), tuple(pieces), Chain.of(model)),)
    return tuple(
        _part(model, group.objective, number, range(first, min(first + at_once, group.size)), start)
        for number, (group, start) in enumerate(zip(groups, starts, strict=False))
        for first in range(0, group.size, at_once)
    )


def _part(model: Model, objective: Objective, group: int, inside: range, start: int) -> Part:
    piece = Piece(objective.select(inside), group, slice(inside.start, inside.stop))
    rows = range(start + inside.start, start + inside.stop)
    return Part(model.select(rows), slice(rows.start, rows.stop), (piece,))


def differentiate(
    parts: Sequence[Part],
    parameters: Tensors,
    running: Tensors,
    groups: Sequence[Group],
    batch: Batch,
    route: Route,
) -> Gradients:
    """Return every member's loss and its gradients; updates ``running`` in place.

    The sum of the losses is differentiated: members share no parameter, so that gradient is
    each member's own.
    """
    own = [group.parameters for group in groups]
    if len(parts) == 1:
        return _differentiate_part(parts[0], parameters, running, own, batch, route)
    losses_M = batch.views_MVBF.new_empty(len(batch.views_MVBF))
    total = Gradients(losses_M, _empty_like(parameters), [_empty_like(named) for named in own])
    for part in parts:
        rows = part.rows
        part_batch = batch.take(rows)
        found = _differentiate_part(
            part,
            _rows(parameters, rows),
            _rows(running, rows),
            [_rows(own[piece.group], piece.rows) for piece in part.pieces],
            part_batch,
            route,
        )
        total.losses_M[rows] = found.losses_M
        _write(total.model, rows, found.model)
        for piece, gradients in zip(part.pieces, found.groups, strict=True):
            _write(total.groups[piece.group], piece.rows, gradients)
    return total


def average(gradients: Gradients, crew: Crew) -> Gradients:
    """Return the mean over the workers that share a batch, losses included."""
    if crew.size == 1:
        return gradients
    own = [tensor for named in gradients.groups for tensor in named.values()]
    mean = iter(crew.average([gradients.losses_M, *gradients.model.values(), *own]))
    return Gradients(
        next(mean),
        {name: next(mean) for name in gradients.model},
        [{name: next(mean) for name in named} for named in gradients.groups],
    )


def _differentiate_part(
    part: Part,
    parameters: Tensors,
    running: Tensors,
    own: Sequence[Tensors],
    batch: Batch,
    route: Route,
) -> Gradients:
    """Return losses and gradients of one part; all arguments have its rows only."""
    own_leaves = [_leaves(named) for named in own]
    flat_own = [leaf for named in own_leaves for leaf in named.values()]
    views_MVBF = route.crew.take_share(batch.views_MVBF)
    inputs_MNF = views_MVBF.flatten(1, 2)
    if route.is_plain and part.chain is not None and part.chain.suits(parameters, inputs_MNF):
        projections_MND, tape = part.chain.run(parameters, inputs_MNF)
        losses_M, pull_MND, *of_own = _pull(
            part, own_leaves, flat_own, projections_MND, batch, route.crew
        )
        by_name = part.chain.pull_back(tape, pull_MND)
        gradients = [*(by_name[name] for name in parameters), *of_own]
    elif route.micro_pairs is None:
        leaves = _leaves(parameters)
        projections_MND = route.project(part.model, leaves, running, inputs_MNF)
        losses_M = _losses(part, own_leaves, projections_MND, batch, route.crew)
        gradients = _gradients(losses_M, [*leaves.values(), *flat_own])
    else:
        leaves = _leaves(parameters)
        blocks = [b.flatten(1, 2) for b in torch.split(views_MVBF, route.micro_pairs, dim=2)]
        projections_MND = _embed_blocks(part.model, leaves, running, blocks, route)
        losses_M = _losses(part, own_leaves, projections_MND, batch, route.crew)
        pull_MND, *of_own = _gradients(losses_M, [projections_MND, *flat_own])
        cut = torch.split(_by_view(pull_MND), route.micro_pairs, dim=2)
        pulls = [pull_MVbD.flatten(1, 2) for pull_MVbD in cut]
        of_model = _pull_back(part.model, leaves, running, zip(blocks, pulls, strict=True), route)
        gradients = [*of_model, *of_own]
    rest = iter(gradients)
    return Gradients(
        losses_M.detach(),
        {name: next(rest) for name in parameters},
        [{name: next(rest) for name in named} for named in own_leaves],
    )


def _pull(
    part: Part,
    own: Sequence[Tensors],
    flat_own: Sequence[Tensor],
    projections_MND: Tensor,
    batch: Batch,
    crew: Crew,
) -> tuple[Tensor, ...]:
    """Return losses and their gradients by the projections and the objectives' parameters."""
    if len(part.pieces) == 1 and crew.size == 1:
        with torch.no_grad():
            found = part.pieces[0].objective.differentiate(batch.embedded(projections_MND))
        if found is not None:
            return found
    losses_M = _losses(part, own, projections_MND.requires_grad_(), batch, crew)
    return losses_M, *_gradients(losses_M, [projections_MND, *flat_own])


@torch.no_grad()
def _embed_blocks(
    model: Model, leaves: Tensors, running: Tensors, blocks: Sequence[Tensor], route: Route
) -> Tensor:
    """Return all projections as a leaf, without the activations they were computed from."""
    projections = [_by_view(route.project(model, leaves, running, block)) for block in blocks]
    return torch.cat(projections, dim=2).flatten(1, 2).requires_grad_()


def _by_view(rows_MND: Tensor) -> Tensor:
    """Return rows, first views before second ones, as (M, V, b, D)."""
    members, rows, dim = rows_MND.shape
    return rows_MND.reshape(members, 2, rows // 2, dim)


def _pull_back(
    model: Model,
    leaves: Tensors,
    running: Tensors,
    pulls: Iterable[tuple[Tensor, Tensor]],
    route: Route,
) -> list[Tensor]:
    """Return the parameters' gradients from those of the projections, block after block.

    A loss that mixes the batch depends on the parameters through the projections alone, so with
    its gradient by them cached the blocks are independent (GradCache: Gao et al. 2021,
    arXiv:2101.06983). Only one block's activations are alive at a time.
    """
    total: list[Tensor] | None = None
    for block, pull in pulls:
        projections = route.project(model, leaves, running, block)
        found = _gradients(projections, list(leaves.values()), pull)
        total = found if total is None else [a.add(b) for a, b in zip(total, found, strict=True)]
    assert total is not None
    return total


def _gradients(
    output: Tensor, leaves: Sequence[Tensor], pull: Tensor | None = None
) -> list[Tensor]:
    """Return the gradients of the sum of ``output``, its terms weighted by ``pull`` if given."""
    pull = torch.ones_like(output) if pull is None else pull
    return list(torch.autograd.grad(output, leaves, pull, materialize_grads=True))


def _losses(
    part: Part, own: Sequence[Tensors], projections_MND: Tensor, batch: Batch, crew: Crew
) -> Tensor:
    views_MND = crew.gather_views(projections_MND)
    if len(part.pieces) == 1:
        return part.pieces[0].objective(own[0], batch.embedded(views_MND))
    # Cut once: each slice of its own would cost a stack of zeros and a sum in the backward pass.
    sizes = [piece.rows.stop - piece.rows.start for piece in part.pieces]
    losses, start = [], 0
    for piece, parameters, rows_MND in zip(
        part.pieces, own, torch.split(views_MND, sizes), strict=True
    ):
        rows = slice(start, start + len(rows_MND))
        losses.append(piece.objective(parameters, batch.take(rows).embedded(rows_MND)))
        start = rows.stop
    return torch.cat(losses)


def _leaves(tensors: Tensors) -> Tensors:
    return {name: tensor.detach().requires_grad_() for name, tensor in tensors.items()}


def _rows(tensors: Tensors, rows: slice) -> Tensors:
    return {name: tensor[rows] for name, tensor in tensors.items()}


def _empty_like(tensors: Tensors) -> Tensors:
    return {name: torch.empty_like(tensor) for name, tensor in tensors.items()}


def _write(total: Tensors, rows: slice, gradients: Tensors) -> None:
    for name, gradient in gradients.items():
        total[name][rows] = gradient
