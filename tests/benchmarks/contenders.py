"""The objectives that the benchmark lets compete: ours, other libraries', and compiled ones.

Each entry takes two leaf batches of unit rows and returns one scalar loss.
"""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from tests.benchmarks.peer_losses import load_lightly_ntxent, load_peer_file
from trainer.losses.decoupled import cl, nscl, nscl_plain
from trainer.losses.infonce import infonce, infonce_plain, nt_xent, nt_xent_plain
from trainer.losses.siglip import siglip, siglip_plain
from trainer.losses.supcon import supcon, supcon_plain
from trainer.losses.svr import infonce_svr, infonce_svr_plain
from trainer.losses.tiled import infonce_tiled

Loss = Callable[[Tensor, Tensor], Tensor]

TAU, SCALE, BIAS, ALPHA, RADIUS, CLASSES = 0.07, 10.0, -10.0, 1.0, 0.5, 100


def build(name: str, batch: int) -> Loss:
    """Return the named objective, ready to be called."""
    base, _, suffix = name.partition(" compiled")
    if base != name and not suffix:
        return torch.compile(OURS[base](batch))
    return (OURS | PEERS)[name](batch)


def _labels(batch: int) -> Tensor:
    return torch.arange(batch) % CLASSES


def _tiled(x: Tensor, y: Tensor) -> Tensor:
    return infonce_tiled(x[None], y[None], x.new_tensor([TAU]))[0]


def _with_labels(loss: Callable[..., Tensor], batch: int) -> Loss:
    labels = _labels(batch)
    return lambda x, y: loss(x, y, labels, TAU)


def _svr(form: Callable[..., Tensor], radius_y: float | None) -> Loss:
    return lambda x, y: form(x, y, TAU, ALPHA, RADIUS, radius_y)


OURS: dict[str, Callable[[int], Loss]] = {
    "cl": lambda _: partial(cl, temperature=TAU),
    "cl plain": lambda batch: lambda x, y: nscl_plain(x, y, torch.arange(batch), TAU),
    "nscl": lambda batch: _with_labels(nscl, batch),
    "nscl plain": lambda batch: _with_labels(nscl_plain, batch),
    "infonce": lambda _: partial(infonce, temperature=TAU),
    "infonce plain": lambda _: partial(infonce_plain, temperature=TAU),
    "infonce tiled": lambda _: _tiled,
    "nt_xent": lambda _: partial(nt_xent, temperature=TAU),
    "nt_xent plain": lambda _: partial(nt_xent_plain, temperature=TAU),
    "siglip": lambda _: partial(siglip, scale=SCALE, bias=BIAS),
    "siglip plain": lambda _: partial(siglip_plain, scale=SCALE, bias=BIAS),
    "supcon": lambda batch: _with_labels(supcon, batch),
    "supcon plain": lambda batch: _with_labels(supcon_plain, batch),
    "svr uni": lambda _: _svr(infonce_svr, None),
    "svr uni plain": lambda _: _svr(infonce_svr_plain, None),
    "svr bi": lambda _: _svr(infonce_svr, RADIUS),
    "svr bi plain": lambda _: _svr(infonce_svr_plain, RADIUS),
}


def _open_clip_clip(_: int) -> Loss:
    loss = load_peer_file("open_clip", "loss.py").ClipLoss()
    return lambda x, y: loss(x, y, torch.tensor(1 / TAU))


def _open_clip_siglip(_: int) -> Loss:
    loss = load_peer_file("open_clip", "loss.py").SigLipLoss()
    return lambda x, y: loss(x, y, torch.tensor(SCALE), torch.tensor(BIAS))


def _lightly_nt_xent(_: int) -> Loss:
    loss: Loss = load_lightly_ntxent()(temperature=TAU)
    return loss


def _lightly_dcl(_: int) -> Loss:
    loss: Loss = load_peer_file("lightly", "loss/dcl_loss.py").DCLLoss(temperature=TAU)
    return loss


def _metric_learning_supcon(batch: int) -> Loss:
    from pytorch_metric_learning.losses import SupConLoss  # noqa: PLC0415 (a peer, if installed)

    loss, labels = SupConLoss(temperature=TAU), _labels(batch)
    return lambda x, y: loss(torch.cat([x, y]), torch.cat([labels, labels]))


PEERS: dict[str, Callable[[int], Loss]] = {
    "open_clip ClipLoss": _open_clip_clip,
    "open_clip SigLipLoss": _open_clip_siglip,
    "lightly NTXentLoss": _lightly_nt_xent,
    "lightly DCLLoss": _lightly_dcl,
    "pytorch-metric-learning SupConLoss": _metric_learning_supcon,
}
