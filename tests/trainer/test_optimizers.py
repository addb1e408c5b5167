"""Stacked optimisers take torch.optim's steps, one learning rate a member, and lose no state.

Shape legend: M = members.
"""

from typing import Literal

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.testing import assert_close

from trainer.optimizers import Adam, Optimizer, Sgd, build_optimizer
from trainer.settings import TrainSettings

LRS = (0.3, 0.01, 1.7)
SHAPES = {"weight": (4, 3), "bias": (1, 3), "scale": ()}
STEPS = 20
KINDS: tuple[tuple[Literal["sgd", "adam"], float], ...] = (
    ("sgd", 0.0),
    ("sgd", 0.9),
    ("adam", 0.0),
)
SETTINGS = [
    TrainSettings(optimizer=optimizer, momentum=momentum, weight_decay=decay)
    for optimizer, momentum in KINDS
    for decay in (0.0, 0.1)
]
KEPT = st.lists(st.integers(0, 2), unique=True, max_size=3).map(sorted)
every_setting = pytest.mark.parametrize("train", SETTINGS, ids=lambda t: t.model_dump_json())


def plain(train: TrainSettings, parameters: list[Tensor], lr: float) -> torch.optim.Optimizer:
    if train.optimizer == "adam":
        return torch.optim.Adam(parameters, lr=lr, weight_decay=train.weight_decay)
    return torch.optim.SGD(
        parameters, lr=lr, momentum=train.momentum, weight_decay=train.weight_decay
    )


def draw(seed: int, members: int = len(LRS)) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {
        name: torch.randn(members, *shape, generator=generator, dtype=torch.float64)
        for name, shape in SHAPES.items()
    }


def build(train: TrainSettings, lrs: tuple[float, ...] = LRS) -> Optimizer:
    return build_optimizer(train, lrs, torch.device("cpu"), torch.float64)


def rows(tensors: dict[str, Tensor], keep: list[int]) -> dict[str, Tensor]:
    return {name: tensor[keep] for name, tensor in tensors.items()}


def steps(optimizer: Optimizer, parameters: dict[str, Tensor], seeds: range) -> None:
    for seed in seeds:
        optimizer.step(parameters, draw(seed))


@every_setting
def test_each_member_takes_the_steps_of_torch_optim(train: TrainSettings) -> None:
    stacked, ours = draw(0), build(train)
    alone = [[p[m].clone().requires_grad_() for p in draw(0).values()] for m in range(len(LRS))]
    theirs = [plain(train, parameters, lr) for parameters, lr in zip(alone, LRS, strict=True)]
    for seed in range(1, STEPS + 1):
        gradients = draw(seed)
        ours.step(stacked, gradients)
        for m, optimizer in enumerate(theirs):
            for parameter, gradient in zip(alone[m], gradients.values(), strict=True):
                parameter.grad = gradient[m].clone()
            optimizer.step()
            for name, parameter in zip(stacked, alone[m], strict=True):
                assert_close(stacked[name][m], parameter.detach(), rtol=1e-12, atol=1e-12)


@every_setting
@settings(max_examples=10, deadline=None)
@given(keep=KEPT, after=st.integers(0, 4))
def test_selected_members_go_on_as_if_the_others_were_still_there(
    train: TrainSettings, keep: list[int], after: int
) -> None:
    everybody, stays = draw(0), build(train)
    steps(stays, everybody, range(1, after + 4))

    parameters, leaves = draw(0), build(train)
    steps(leaves, parameters, range(1, after + 1))
    leaves.select(torch.tensor(keep, dtype=torch.int64))
    parameters = rows(parameters, keep)
    for seed in range(after + 1, after + 4):
        leaves.step(parameters, rows(draw(seed), keep))
    for name in parameters:
        assert torch.equal(parameters[name], everybody[name][keep])


@every_setting
def test_a_member_without_finite_numbers_leaves_the_others_alone(train: TrainSettings) -> None:
    sound, poisoned = draw(0), draw(0)
    ours, theirs = build(train), build(train)
    for seed in range(1, 4):
        gradients = draw(seed)
        ours.step(sound, gradients)
        bad = {name: g.clone() for name, g in gradients.items()}
        for gradient in bad.values():
            gradient[1] = torch.nan
        theirs.step(poisoned, bad)
    for name in sound:
        assert torch.equal(sound[name][[0, 2]], poisoned[name][[0, 2]])
        assert poisoned[name][1].isnan().all()


@every_setting
def test_gradients_are_left_as_they_were(train: TrainSettings) -> None:
    parameters, optimizer = draw(0), build(train)
    given = {seed: draw(seed) for seed in (1, 2, 3)}
    for gradients in given.values():
        optimizer.step(parameters, gradients)
    for seed, gradients in given.items():
        assert all(torch.equal(gradients[name], draw(seed)[name]) for name in gradients)


def test_the_settings_name_the_optimiser() -> None:
    assert isinstance(build(TrainSettings(optimizer="sgd")), Sgd)
    assert isinstance(build(TrainSettings(optimizer="adam")), Adam)
