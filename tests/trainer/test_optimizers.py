"""Stacked optimisers take torch.optim's steps, each member by its own rates, and lose no state.

Shape legend: M = members.
"""

from typing import Any, NamedTuple

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.optim.lr_scheduler import (
    CosineAnnealingLR,
    LambdaLR,
    LinearLR,
    LRScheduler,
    SequentialLR,
)
from torch.testing import assert_close

from tests.trainer.cohorts import make_member
from tests.trainer.paper_lars import PaperLars
from trainer.cohort import Member
from trainer.errors import StackStateError
from trainer.optimizers.adam import Adam
from trainer.optimizers.build import build_optimizer
from trainer.optimizers.lars import TRUST_COEFFICIENT, Lars, is_adapted
from trainer.optimizers.protocol import Optimizer
from trainer.optimizers.rates import Rate
from trainer.optimizers.sgd import Sgd
from trainer.settings import SharedTrainSettings

STEPS = 20


SHAPES = {"weight": (4, 3), "bias": (1, 3), "scale": (), "kernel": (2, 3, 2)}


RATES = (
    Rate(lr=0.3, weight_decay=0.1),
    Rate(lr=0.01, schedule="cosine"),
    Rate(lr=1.7, weight_decay=0.02, warmup_steps=6),
    Rate(lr=0.2, weight_decay=0.3, warmup_steps=5, schedule="cosine"),
)


MEMBERS = tuple(
    make_member(str(m), lr=rate.lr, kind="infonce").model_copy(
        update={
            "weight_decay": rate.weight_decay,
            "warmup_steps": rate.warmup_steps,
            "schedule": rate.schedule,
        }
    )
    for m, rate in enumerate(RATES)
)


SETTINGS = [
    SharedTrainSettings(steps=STEPS, optimizer="sgd", momentum=0.0),
    SharedTrainSettings(steps=STEPS, optimizer="sgd", momentum=0.9),
    SharedTrainSettings(steps=STEPS, optimizer="sgd", momentum=0.8, nesterov=True),
    SharedTrainSettings(steps=STEPS, optimizer="adam"),
    SharedTrainSettings(steps=STEPS, optimizer="adamw"),
    SharedTrainSettings(steps=STEPS, optimizer="lars", momentum=0.7),
]


KEPT = st.lists(st.integers(0, len(RATES) - 1), unique=True, max_size=len(RATES)).map(sorted)


def name_of(train: SharedTrainSettings) -> str:
    return f"{train.optimizer}-{train.momentum}{'-nesterov' if train.nesterov else ''}"


every_setting = pytest.mark.parametrize("train", SETTINGS, ids=name_of)


class Plain(NamedTuple):
    """One member's tensors, and torch's optimiser and scheduler for them."""

    parameters: list[Tensor]
    optimizer: torch.optim.Optimizer
    scheduler: LRScheduler

    def step(self, gradients: list[Tensor]) -> None:
        for parameter, gradient in zip(self.parameters, gradients, strict=True):
            parameter.grad = gradient.clone()
        self.optimizer.step()
        self.scheduler.step()


def plain(train: SharedTrainSettings, parameters: list[Tensor], rate: Rate) -> Plain:
    shared: dict[str, Any] = {"lr": rate.lr, "weight_decay": rate.weight_decay}
    optimizer: torch.optim.Optimizer
    match train.optimizer:
        case "sgd":
            optimizer = torch.optim.SGD(
                parameters, momentum=train.momentum, nesterov=train.nesterov, **shared
            )
        case "adam":
            optimizer = torch.optim.Adam(parameters, **shared)
        case "adamw":
            optimizer = torch.optim.AdamW(parameters, **shared)
        case "lars":
            optimizer = PaperLars(parameters, rate.lr, train.momentum, rate.weight_decay)
    return Plain(parameters, optimizer, schedule(optimizer, rate, train.steps))


def schedule(optimizer: torch.optim.Optimizer, rate: Rate, steps: int) -> LRScheduler:
    warmup = rate.warmup_steps
    main: LRScheduler
    if rate.schedule == "cosine":
        main = CosineAnnealingLR(optimizer, T_max=steps - warmup)
    else:
        main = LambdaLR(optimizer, lambda _: 1.0)
    if not warmup:
        return main
    climb = LinearLR(optimizer, start_factor=1 / warmup, total_iters=warmup - 1)
    return SequentialLR(optimizer, [climb, main], milestones=[warmup])


def draw(seed: int, members: int = len(RATES)) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {
        name: torch.randn(members, *shape, generator=generator, dtype=torch.float64)
        for name, shape in SHAPES.items()
    }


def build(
    train: SharedTrainSettings,
    members: tuple[Member, ...] = MEMBERS,
    dtype: torch.dtype = torch.float64,
) -> Optimizer:
    return build_optimizer(train, members, torch.device("cpu"), dtype)


def rows(tensors: dict[str, Tensor], keep: list[int]) -> dict[str, Tensor]:
    return {name: tensor[keep] for name, tensor in tensors.items()}


def steps(optimizer: Optimizer, parameters: dict[str, Tensor], seeds: range) -> None:
    for seed in seeds:
        optimizer.step(parameters, draw(seed))


@every_setting
def test_each_member_takes_the_steps_of_torch_optim_by_its_own_schedule(
    train: SharedTrainSettings,
) -> None:
    stacked, ours = draw(0), build(train)
    alone = [
        plain(train, [p[m].clone().requires_grad_() for p in draw(0).values()], rate)
        for m, rate in enumerate(RATES)
    ]
    for seed in range(1, STEPS + 1):
        gradients = draw(seed)
        ours.step(stacked, gradients)
        for m, reference in enumerate(alone):
            reference.step([gradient[m] for gradient in gradients.values()])
            for name, parameter in zip(stacked, reference.parameters, strict=True):
                assert_close(stacked[name][m], parameter.detach(), rtol=1e-11, atol=1e-12)


@every_setting
@settings(max_examples=10, deadline=None)
@given(keep=KEPT, after=st.integers(0, 8))
def test_selected_members_go_on_as_if_the_others_were_still_there(
    train: SharedTrainSettings, keep: list[int], after: int
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
@settings(max_examples=8, deadline=None)
@given(
    shape=st.lists(st.integers(1, 33), max_size=3).map(tuple),
    crowd=st.integers(2, 40),
    seed=st.integers(0, 2**16),
    dtype=st.sampled_from([torch.float32, torch.float64]),
)
def test_a_member_has_the_same_bits_in_a_crowd_of_any_size(
    train: SharedTrainSettings, shape: tuple[int, ...], crowd: int, seed: int, dtype: torch.dtype
) -> None:
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randn(4, crowd, *shape, generator=generator, dtype=torch.float64).to(dtype)
    members = tuple(MEMBERS[m % len(MEMBERS)] for m in range(crowd))
    chosen = seed % crowd
    together, alone = drawn[0].clone(), drawn[0][[chosen]].clone()
    crowded = build(train, members, dtype)
    lonely = build(train, (members[chosen],), dtype)
    for gradient in drawn[1:]:
        crowded.step({"p": together}, {"p": gradient})
        lonely.step({"p": alone}, {"p": gradient[[chosen]].clone()})
    assert torch.equal(together[chosen], alone[0])


@every_setting
def test_a_member_without_finite_numbers_leaves_the_others_alone(
    train: SharedTrainSettings,
) -> None:
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
        assert torch.equal(sound[name][[0, 2, 3]], poisoned[name][[0, 2, 3]])
        assert poisoned[name][1].isnan().all()


@every_setting
def test_gradients_are_left_as_they_were(train: SharedTrainSettings) -> None:
    parameters, optimizer = draw(0), build(train)
    given_ = {seed: draw(seed) for seed in (1, 2, 3)}
    for gradients in given_.values():
        optimizer.step(parameters, gradients)
    for seed, gradients in given_.items():
        assert all(torch.equal(gradients[name], draw(seed)[name]) for name in gradients)


@every_setting
def test_a_loaded_optimiser_goes_on_where_the_saved_one_stood(train: SharedTrainSettings) -> None:
    parameters, ours = draw(0), build(train)
    steps(ours, parameters, range(1, 4))
    saved = {name: tensor.clone() for name, tensor in ours.state().items()}
    copies = {name: p.clone() for name, p in parameters.items()}
    steps(ours, parameters, range(4, 8))
    other = build(train)
    other.load_state(saved)
    steps(other, copies, range(4, 8))
    for name, parameter in parameters.items():
        assert torch.equal(parameter, copies[name])


def test_the_state_of_another_optimiser_is_refused() -> None:
    parameters, adam = draw(0), build(SharedTrainSettings(optimizer="adam"))
    steps(adam, parameters, range(1, 2))
    with pytest.raises(StackStateError, match=r"slots velocity was expected, got mean, square"):
        build(SharedTrainSettings(optimizer="sgd")).load_state(adam.state())


def test_the_settings_name_the_optimiser() -> None:
    assert isinstance(build(SharedTrainSettings(optimizer="sgd")), Sgd)
    assert isinstance(build(SharedTrainSettings(optimizer="adam")), Adam)
    assert isinstance(build(SharedTrainSettings(optimizer="adamw")), Adam)
    assert isinstance(build(SharedTrainSettings(optimizer="lars")), Lars)


@pytest.mark.parametrize("zero", ["weights", "gradient"])
def test_lars_takes_a_plain_step_where_a_norm_is_zero(zero: str) -> None:
    train = SharedTrainSettings(optimizer="lars", momentum=0.0)
    member = MEMBERS[0].model_copy(update={"weight_decay": 0.0})
    weight = torch.zeros(1, 2, 2) if zero == "weights" else torch.ones(1, 2, 2)
    gradient = torch.zeros(1, 2, 2) if zero == "gradient" else torch.ones(1, 2, 2)
    expected = weight - member.lr * gradient
    build(train, (member,), torch.float32).step({"w": weight}, {"w": gradient})
    assert torch.equal(weight, expected)


def test_lars_steps_have_the_length_that_the_trust_ratio_says() -> None:
    # Whatever the gradient's size: that is what the method is for.
    train = SharedTrainSettings(optimizer="lars", momentum=0.0)
    member = MEMBERS[0].model_copy(update={"weight_decay": 0.0})
    for size in (1e-3, 1.0, 1e4):
        weight, gradient = draw(0)["weight"][:1], size * draw(1)["weight"][:1]
        before = weight.clone()
        build(train, (member,)).step({"w": weight}, {"w": gradient})
        length = (weight - before).norm().item()
        assert length == pytest.approx(member.lr * TRUST_COEFFICIENT * before.norm().item())


@pytest.mark.parametrize(
    ("shape", "adapted"),
    [
        ((3, 4, 5), True),
        ((3, 8, 1, 3, 3), True),
        ((3, 1, 5), False),
        ((3,), False),
        ((3, 5), False),
    ],
)
def test_lars_leaves_vectors_and_numbers_out(shape: tuple[int, ...], adapted: bool) -> None:
    assert is_adapted(torch.zeros(shape)) == adapted
