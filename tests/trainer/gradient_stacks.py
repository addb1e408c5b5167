"""Stacks in which every kind of objective trains, for the tests of gradients."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from tests.trainer.cohorts import CPU, DIGITS, make_cohort, make_member
from trainer.cohort import Member
from trainer.data.images import load_images
from trainer.models.protocol import SingleModel, Tensors
from trainer.settings import ModelSettings, Norm, TrainSettings
from trainer.stack import Stack

BATCH = 26


STEPS = 4


DATA = load_images(DIGITS)


EVERYTHING: dict[str, dict[str, Any]] = {
    "infonce": {},
    "infonce-tiny-temperature": {"kind": "infonce", "temperature": 0.005},
    "nt_xent": {},
    "supcon": {},
    "supcon-cross-view": {"kind": "supcon", "variant": "cross_view"},
    "cl": {},
    "nscl": {},
    "ce": {},
    "clop": {"label_fraction": 0.5},
    "dcl": {},
    "vicreg": {},
    "barlow_twins": {},
    "focal": {},
    "siglip": {},
    "static_svr": {"radius_mode": "per_direction"},
    "dynamic_svr": {"base": "siglip"},
}


every_objective = pytest.mark.parametrize("name", EVERYTHING)


every_norm = pytest.mark.parametrize("norm", ["none", "layer", "batch"])


def settings_of(name: str) -> dict[str, Any]:
    return {"kind": name, **EVERYTHING[name]}


def crowd(names: Sequence[str] = tuple(EVERYTHING)) -> list[Member]:
    """Return two members of each objective, of two replicates."""
    return [
        make_member(
            f"{name}-{seed}", lr=0.02 * seed, seed=seed, **{"kind": name, **EVERYTHING[name]}
        )
        for name in names
        for seed in (1, 2)
    ]


def stack_of(
    members: Sequence[Member],
    *,
    norm: Norm = "layer",
    dtype: torch.dtype = torch.float64,
    **train: object,
) -> Stack:
    model = ModelSettings(encoder="mlp", hidden=(20, 12), head_hidden=(9,), embed_dim=11, norm=norm)
    settings = TrainSettings.model_validate({"batch_size": BATCH, "steps": STEPS, **train})
    cohort = make_cohort(members, model=model, train=settings)
    return Stack(cohort, DATA.to(CPU, dtype), CPU, dtype)


def advance(stack: Stack, dtype: torch.dtype = torch.float64, steps: int = STEPS) -> Tensor:
    """Take steps on random views; return all losses."""
    losses = []
    for step in range(steps):
        generator = torch.Generator().manual_seed(step)
        shape = 2, 2, BATCH, 64  # one batch per replicate
        views = torch.rand(shape, generator=generator, dtype=torch.float64).to(dtype)
        indices = torch.randint(len(DATA.train_labels_N), (2, BATCH), generator=generator)
        own = [member.seed - 1 for member in stack.members]
        losses.append(stack.step(views[own], indices[own]))
    return torch.stack(losses)


@dataclass(frozen=True)
class OneByOne:
    """The stacked MLP, as if it could hold ``members_at_once`` members only."""

    inner: SingleModel
    members_at_once: int | None

    def init_parameters(self, seeds: Sequence[int]) -> Tensors:
        return self.inner.init_parameters(seeds)

    def init_running(self, members: int) -> Tensors:
        return self.inner.init_running(members)

    @property
    def towers(self) -> "tuple[OneByOne]":
        return (self,)

    def select(self, keep: Sequence[int]) -> "OneByOne":
        return OneByOne(self.inner.select(keep), self.members_at_once)

    def encode(
        self, parameters: Tensors, running: Tensors, inputs_MNF: Tensor, *, training: bool
    ) -> Tensor:
        self._check(inputs_MNF)
        return self.inner.encode(parameters, running, inputs_MNF, training=training)

    def project(
        self, parameters: Tensors, running: Tensors, features_MNF: Tensor, *, training: bool
    ) -> Tensor:
        self._check(features_MNF)
        return self.inner.project(parameters, running, features_MNF, training=training)

    def _check(self, inputs_MNF: Tensor) -> None:
        assert self.members_at_once is None or len(inputs_MNF) <= self.members_at_once


def assert_same_bits(ours: Stack, theirs: Stack) -> None:
    state, expected = ours.state(), theirs.state()
    assert state.keys() == expected.keys()
    for name, tensor in expected.items():
        assert torch.equal(state[name], tensor), name


def assert_near(ours: Stack, theirs: Stack, tolerance: float) -> None:
    state, expected = ours.state(), theirs.state()
    assert state.keys() == expected.keys()
    for name, tensor in expected.items():
        assert_close(state[name], tensor, rtol=tolerance, atol=tolerance)
