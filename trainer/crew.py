"""Workers that train one pack together, each on its share of every batch (``train.split: data``).

Every worker draws the same batch (randomness is keyed), embeds its own rows, gathers the
projections of all rows with gradient, and evaluates the whole objective on them: W objectives,
so gradients are averaged over the W workers (:mod:`trainer.losses.gather`). All of them then
take the same step, so their parameters stay equal for ever; a checksum at every check holds that.
The first worker leads: its checkpoint is gone on with, its decisions are everybody's.

Shape legend: M = members, V = 2 views, B = batch, A = this worker's rows of it, F = flat pixels,
D = embedding, N = rows of both views.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from trainer.errors import UnequalWorkersError
from trainer.losses.gather import gather_rows


@dataclass(frozen=True, slots=True)
class Crew:
    """This worker among those that train the pack with it.

    Attributes:
        rank: Number of this worker, from 0.
        size: How many there are; 1 makes every method here a plain one without communication.
    """

    rank: int = 0
    size: int = 1

    @classmethod
    def of_world(cls) -> "Crew":
        """Return all processes of torch.distributed as a crew; alone where it is not set up."""
        if not dist.is_initialized():
            return ALONE
        return cls(dist.get_rank(), dist.get_world_size())

    @property
    def leads(self) -> bool:
        """Whether this worker writes outcomes and checkpoints."""
        return self.rank == 0

    def own_rows(self, batch_size: int) -> slice:
        """Return which pairs of a batch this worker embeds; shares differ by one at most."""
        most, rest = divmod(batch_size, self.size)
        start = self.rank * most + min(self.rank, rest)
        return slice(start, start + most + (self.rank < rest))

    def take_share(self, views_MVBF: Tensor) -> Tensor:
        """Return this worker's pairs of a batch, shape (M, V, A, F)."""
        if self.size == 1:
            return views_MVBF
        return views_MVBF[:, :, self.own_rows(views_MVBF.shape[2])]

    def gather_views(self, projections_MND: Tensor) -> Tensor:
        """Return the rows of all workers, in order of rank within a view, with gradient.

        Args:
            projections_MND: This worker's rows, first views before second ones, N = 2 A.

        Returns:
            Shape (M, 2B, D), first views before second ones.
        """
        if self.size == 1:
            return projections_MND
        gathered_MVBD, _ = gather_rows(torch.stack(projections_MND.chunk(2, dim=1), dim=1))
        return gathered_MVBD.flatten(1, 2)

    def average(self, tensors: Sequence[Tensor]) -> list[Tensor]:
        """Return the mean of each tensor over the workers: the same bits on all of them."""
        if self.size == 1:
            return list(tensors)
        flat = torch.cat([tensor.reshape(-1) for tensor in tensors])
        dist.all_reduce(flat)
        parts = flat.div_(self.size).split([tensor.numel() for tensor in tensors])  # type: ignore[no-untyped-call]
        return [part.view(like.shape) for part, like in zip(parts, tensors, strict=True)]

    def follow(self, decision: Any) -> Any:
        """Return the leader's decision: any object that can be pickled."""
        if self.size == 1:
            return decision
        box = [decision if self.leads else None]
        dist.broadcast_object_list(box, src=0)
        return box[0]

    def require_equal(self, tensors: Mapping[str, Tensor]) -> None:
        """Check that all workers hold the same bits.

        Raises:
            UnequalWorkersError: If they do not: the workers' machines compute differently.
        """
        if self.size == 1:
            return
        own = torch.stack([_checksum(tensors[name]) for name in sorted(tensors)])
        least, most = own.clone(), own.clone()
        dist.all_reduce(least, dist.ReduceOp.MIN)
        dist.all_reduce(most, dist.ReduceOp.MAX)
        if not torch.equal(least, most):
            names = [n for n, same in zip(sorted(tensors), least == most, strict=True) if not same]
            raise UnequalWorkersError(
                f"workers that share a batch must hold equal parameters, but {len(names)} of "
                f"{len(tensors)} tensors differ, {names[0]} first: use equal machines for a lane, "
                "or train.split: members"
            )


ALONE = Crew()
"""A worker that trains its packs by itself."""


def _checksum(tensor: Tensor) -> Tensor:
    """Return the sum of a tensor's bytes, each weighted by its place: int64, exact."""
    content = tensor.detach().contiguous().reshape(-1).view(torch.uint8).long()
    places = torch.arange(1, len(content) + 1, device=content.device)
    return (content * places).sum()
