"""Members per second: a stack of K members against K plain PyTorch models one after another.

Both sides take the same optimiser steps on the same two views of a batch, with InfoNCE and SGD
with momentum, on one thread. The peer is what people write: ``nn.Sequential``, ``torch.optim.SGD``
and a symmetric cross-entropy over normalised embeddings. The two take turns, a few steps each.

Shape legend: M = members, V = 2 views, B = batch, F = input width.
"""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from trainer.cohort import Cohort, Member
from trainer.data.image_data import ImageData
from trainer.objective_settings import InfoNCESettings
from trainer.settings import CollapseSettings, DataSettings, ModelSettings, TrainSettings
from trainer.stack import Stack

TEMPERATURE, LR, MOMENTUM = 0.2, 0.05, 0.9
TURNS = 9
CPU = torch.device("cpu")


@dataclass(frozen=True, slots=True)
class Size:
    """Widths of an MLP (input, hidden, embedding), its batch, and the members side by side."""

    name: str
    widths: tuple[int, int, int]
    batch: int
    members: int
    steps_a_turn: int


TINY = Size("tiny MLP 16-16-8, B 16", (16, 16, 8), 16, 32, 4)
SMALL = Size("MLP 64-64-32, B 256", (64, 64, 32), 256, 32, 1)
LARGE = Size("MLP 512-512-128, B 256", (512, 512, 128), 256, 32, 1)


def compare_stacking(size: Size) -> float:
    """Return how many times the peer's members per second the stack trains."""
    generator = torch.Generator().manual_seed(0)
    views_VBF = torch.randn(2, size.batch, size.widths[0], generator=generator)
    ours, peer = prepare_stack(size, views_VBF), _prepare_plain(size, views_VBF)
    ours(), peer()
    ratios = []
    for _ in range(TURNS):
        peer_seconds = _time(peer, size.steps_a_turn)
        ratios.append(peer_seconds / _time(ours, size.steps_a_turn))
    return statistics.median(ratios)


def prepare_stack(size: Size, views_VBF: Tensor) -> Callable[[], object]:
    """Return one optimiser step of a stack of ``size.members`` on the views."""
    stack = Stack(_cohort(size), _data(size), CPU, torch.float32)
    views_MVBF = views_VBF.expand(size.members, -1, -1, -1)
    indices_MB = torch.arange(size.batch).expand(size.members, -1)
    return lambda: stack.step(views_MVBF, indices_MB)


def _cohort(size: Size) -> Cohort:
    _, hidden, embed_dim = size.widths
    return Cohort(
        cohort_id="bench",
        data=DataSettings(source="digits"),
        model=ModelSettings(encoder="mlp", hidden=(hidden,), embed_dim=embed_dim),
        train=TrainSettings(batch_size=size.batch, steps=1000, momentum=MOMENTUM),
        collapse=CollapseSettings(),
        members=tuple(
            Member(
                trial=f"{i:03d}",
                replicate=0,
                seed=i,
                lr=LR,
                objective=InfoNCESettings(kind="infonce", temperature=TEMPERATURE),
            )
            for i in range(size.members)
        ),
    )


def _data(size: Size) -> ImageData:
    """Return as many random images as one batch; only their width and number matter."""
    images = torch.zeros(size.batch, 1, 1, size.widths[0])
    labels = torch.arange(size.batch) % 10
    return ImageData(images, labels, images, labels, class_count=10)


def _prepare_plain(size: Size, views_VBF: Tensor) -> Callable[[], None]:
    """Return one step of each of ``size.members`` models, one after another."""
    width, hidden, embed_dim = size.widths
    models = [
        nn.Sequential(nn.Linear(width, hidden), nn.ReLU(), nn.Linear(hidden, embed_dim))
        for _ in range(size.members)
    ]
    optimizers = [torch.optim.SGD(m.parameters(), LR, MOMENTUM) for m in models]
    targets_B = torch.arange(size.batch)

    def step() -> None:
        for model, optimizer in zip(models, optimizers, strict=True):
            optimizer.zero_grad()
            x_BD, y_BD = functional.normalize(model(views_VBF), dim=-1)
            logits_BB = x_BD @ y_BD.T / TEMPERATURE
            towards_y = functional.cross_entropy(logits_BB, targets_B)
            loss = (towards_y + functional.cross_entropy(logits_BB.T, targets_B)) / 2
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()

    return step


def _time(step: Callable[[], object], repeats: int) -> float:
    started = time.process_time()
    for _ in range(repeats):
        step()
    return time.process_time() - started
