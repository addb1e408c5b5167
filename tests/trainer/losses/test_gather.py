"""A batch spread over 1, 2 and 3 gloo processes equals one process, in value and gradient."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from torch import Tensor
from torch.multiprocessing.spawn import spawn
from torch.testing import assert_close

from tests.trainer.losses.references import unit_rows
from trainer.losses.gather import gather_pairs, gather_rows, sum_over_workers
from trainer.losses.infonce import infonce, nt_xent
from trainer.losses.radius import Predictor, init_predictor, predict_radius
from trainer.losses.shares import (
    Spread,
    infonce_share,
    infonce_svr_share,
    nt_xent_share,
    siglip_share,
)
from trainer.losses.siglip import siglip
from trainer.losses.svr import infonce_svr

Outcome = tuple[Tensor, tuple[Tensor, ...], Tensor, tuple[Tensor, ...]]

BATCH = 7  # 7, 4 + 3, 3 + 2 + 2
TAU = torch.tensor([0.1, 0.5], dtype=torch.float64)
ALONE: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "infonce": lambda x, y: infonce(x, y, TAU),
    "nt_xent": lambda x, y: nt_xent(x, y, TAU),
    "siglip": lambda x, y: siglip(x, y, 1 / TAU, -3.0),
    "svr": lambda x, y: infonce_svr(
        x,
        y,
        TAU,
        0.5,
        predict_radius(x, y, TAU, predictor()),
        predict_radius(y, x, TAU, predictor()),
    ),
}
SHARED: dict[str, Callable[[Spread], Tensor]] = {
    "infonce": lambda b: infonce_share(b, TAU),
    "nt_xent": lambda b: nt_xent_share(b, TAU),
    "siglip": lambda b: siglip_share(b, 1 / TAU, -3.0),
    "svr": lambda b: infonce_svr_share(
        b,
        TAU,
        0.5,
        predict_radius(b.own_x_MAD, b.all_y_MBD, TAU, predictor(), b.first),
        predict_radius(b.own_y_MAD, b.all_x_MBD, TAU, predictor(), b.first),
    ),
}


def predictor() -> Predictor:
    parts = init_predictor(BATCH, torch.Generator().manual_seed(0))
    return Predictor(*(30 * p.double() for p in parts))


def data() -> tuple[Tensor, Tensor]:
    return unit_rows(2, BATCH, 4, seed=1), unit_rows(2, BATCH, 4, seed=2)


def rows_of(rank: int, workers: int) -> slice:
    counts = [len(part) for part in torch.arange(BATCH).tensor_split(workers)]
    return slice(sum(counts[:rank]), sum(counts[: rank + 1]))


def work(rank: int, folder: str) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=3)
    for workers in (1, 2, 3):
        group = dist.new_group(list(range(workers)))
        if rank < workers:
            torch.save(evaluate(rank, workers, group), f"{folder}/{rank}-of-{workers}.pt")
        dist.barrier()
    dist.destroy_process_group()


def evaluate(rank: int, workers: int, group: dist.ProcessGroup) -> dict[str, Outcome]:
    rows = rows_of(rank, workers)
    x, y = (t[:, rows].clone().requires_grad_() for t in data())
    results = {}
    for name, alone in ALONE.items():
        share = SHARED[name](gather_pairs(x, y, group))
        shares = torch.autograd.grad(share.sum(), (x, y))
        whole = alone(gather_rows(x, group)[0], gather_rows(y, group)[0])
        wholes = torch.autograd.grad(whole.sum() / workers, (x, y))
        results[name] = (sum_over_workers(share, group), shares, whole.detach(), wholes)
    return results


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("gloo")
    spawn(work, args=(str(folder),), nprocs=3)  # type: ignore[no-untyped-call]
    return folder


@pytest.mark.parametrize("name", list(ALONE))
@pytest.mark.parametrize("workers", [1, 2, 3])
def test_workers_together_equal_one_process(folder: Path, name: str, workers: int) -> None:
    x, y = (t.requires_grad_() for t in data())
    loss = ALONE[name](x, y)
    gradients = torch.autograd.grad(loss.sum(), (x, y))
    for rank in range(workers):
        rows = rows_of(rank, workers)
        total, shares, whole, wholes = torch.load(folder / f"{rank}-of-{workers}.pt")[name]
        assert_close(total, loss.detach(), rtol=1e-10, atol=1e-12)
        assert_close(whole, loss.detach(), rtol=1e-10, atol=1e-12)
        for own, averaged, gradient in zip(shares, wholes, gradients, strict=True):
            assert_close(own, gradient[:, rows], rtol=1e-9, atol=1e-12)
            assert_close(averaged, gradient[:, rows], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", list(ALONE))
def test_shares_of_a_batch_cut_in_one_process_add_up(name: str) -> None:
    x, y = data()
    cuts = [slice(0, 3), slice(3, 4), slice(4, 7)]
    shares = [SHARED[name](Spread(x[:, c], y[:, c], x, y, c.start)) for c in cuts]
    assert_close(torch.stack(shares).sum(dim=0), ALONE[name](x, y))


def test_siglip_shares_survive_logits_that_exp_does_not() -> None:
    x, y = data()
    cuts = [slice(0, 3), slice(3, 7)]
    scale = torch.tensor([5.0, 2000.0], dtype=torch.float64)
    shares = [siglip_share(Spread(x[:, c], y[:, c], x, y, c.start), scale, -3.0) for c in cuts]
    assert_close(torch.stack(shares).sum(dim=0), siglip(x, y, scale, -3.0))


def test_without_processes_rows_are_returned_as_they_are() -> None:
    x, _ = data()
    gathered, first = gather_rows(x)
    assert gathered is x
    assert first == 0
