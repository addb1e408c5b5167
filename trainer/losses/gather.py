"""Gather the rows of all workers, with gradient.

The only file of the objectives that knows about processes. Batches may be of different size on
different workers (the last one usually is).

Two exact ways to train on gathered rows:

- Each worker evaluates its own rows (:mod:`trainer.losses.shares`). The shares add up to the
  objective, so parameter gradients are *summed* over workers.
- Each worker evaluates the whole objective on the gathered rows (any objective). That is W
  objectives, so parameter gradients are *averaged* over the W workers.

Shape legend: M = members (any leading dims), A = this worker's rows, B = rows of all workers,
D = embedding dim.
"""

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from trainer.losses.shares import Spread


def gather_pairs(x_MAD: Tensor, y_MAD: Tensor, group: dist.ProcessGroup | None = None) -> Spread:
    """Return this worker's pairs together with those of all workers, in order of rank.

    Args:
        x_MAD: First view or modality, shape [..., A, D]; A may differ between workers.
        y_MAD: Second view, same shape.
        group: Workers taking part; all by default. Every one of them has to call.
    """
    all_x_MBD, first = gather_rows(x_MAD, group)
    all_y_MBD, _ = gather_rows(y_MAD, group)
    return Spread(x_MAD, y_MAD, all_x_MBD, all_y_MBD, first)


def gather_rows(rows_MAD: Tensor, group: dist.ProcessGroup | None = None) -> tuple[Tensor, int]:
    """Return the rows of all workers, shape [..., B, D], and the place of this worker's first.

    The gradient of the gathered rows is summed over workers and each takes its own rows back.
    Without ``torch.distributed`` the rows themselves are returned.
    """
    if not dist.is_initialized() or dist.get_world_size(group) == 1:
        return rows_MAD, 0
    counts = _gather_counts(rows_MAD, group)
    first = sum(counts[: dist.get_rank(group)])
    gathered_MBD: Tensor = _GatherRows.apply(rows_MAD, counts, first, group)  # type: ignore[no-untyped-call]
    return gathered_MBD, first


def sum_over_workers(share_M: Tensor, group: dist.ProcessGroup | None = None) -> Tensor:
    """Return the objective from everybody's shares, for reporting: detached, shape [...]."""
    total_M = share_M.detach().clone()
    if dist.is_initialized():
        dist.all_reduce(total_M, group=group)
    return total_M


class _GatherRows(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, rows_MAD: Tensor, counts: list[int], first: int, group: dist.ProcessGroup | None
    ) -> Tensor:
        ctx.own, ctx.group = slice(first, first + rows_MAD.shape[-2]), group
        # Collectives want equal shapes: pad to the largest worker, then cut.
        padding = max(counts) - rows_MAD.shape[-2]
        padded = torch.nn.functional.pad(rows_MAD, (0, 0, 0, padding)).contiguous()
        everybody = [torch.empty_like(padded) for _ in counts]
        dist.all_gather(everybody, padded, group=group)
        cut = [rows[..., :count, :] for rows, count in zip(everybody, counts, strict=True)]
        return torch.cat(cut, dim=-2)

    @staticmethod
    def backward(ctx: Any, grad_MBD: Tensor) -> Any:
        total_MBD = grad_MBD.contiguous().clone()
        dist.all_reduce(total_MBD, group=ctx.group)
        return total_MBD[..., ctx.own, :], None, None, None


def _gather_counts(rows_MAD: Tensor, group: dist.ProcessGroup | None) -> list[int]:
    own = torch.tensor([rows_MAD.shape[-2]], device=rows_MAD.device)
    everybody = [torch.empty_like(own) for _ in range(dist.get_world_size(group))]
    dist.all_gather(everybody, own, group=group)
    return [int(count) for count in everybody]
