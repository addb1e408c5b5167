"""A stack that was saved and loaded goes on with the bits of one that never stopped."""

from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from tests.trainer.cohorts import CPU, DIGITS, make_cohort, make_member
from trainer.cohort import Cohort, Member
from trainer.data.batches import BatchStream
from trainer.data.images import load_images
from trainer.errors import StackStateError
from trainer.settings import ModelSettings, TrainSettings
from trainer.stack import Stack

DATA = load_images(DIGITS).to(CPU, torch.float32)
MODEL = ModelSettings(encoder="mlp", hidden=(20,), head_hidden=(9,), embed_dim=11, norm="batch")
BATCH = 20
INTERRUPTED_AFTER, STEPS = 4, 9
MEMBERS = [
    make_member("a", lr=0.1, seed=1, kind="clop", label_fraction=0.4),
    make_member("b", lr=0.3, seed=2, kind="clop", prototypes="degraded", degrade_angle_degrees=9),
    make_member("c", lr=0.1, seed=1, kind="siglip"),
    make_member("d", lr=0.2, seed=2, kind="siglip", scale=3.0),
    make_member("e", lr=0.05, seed=1, kind="dynamic_svr", base="siglip"),
    make_member("f", lr=0.02, seed=2, kind="dynamic_svr", base="siglip"),
    make_member("g", lr=0.02, seed=2, kind="static_svr", radius_mode="learnable"),
    make_member("h", lr=0.1, seed=1, kind="ce"),
    make_member("i", lr=0.1, seed=1, kind="infonce", temperature=0.01),
]
OPTIMISERS = [
    {"optimizer": "sgd", "momentum": 0.0},
    {"optimizer": "sgd", "momentum": 0.9, "weight_decay": 0.01},
    {"optimizer": "adam", "weight_decay": 0.01},
]
every_optimiser = pytest.mark.parametrize("train", OPTIMISERS, ids=str)


@dataclass(frozen=True, slots=True)
class Run:
    """A stack and the batches of its cohort."""

    cohort: Cohort
    stack: Stack

    def advance(self, first: int, last: int) -> Tensor:
        """Take the steps from ``first`` up to, but not including, ``last``; return the losses."""
        losses = []
        for step in range(first, last):
            streams = [BatchStream(DATA, DIGITS.augment, BATCH, m.seed) for m in self.stack.members]
            batches = [stream.batch_at(step) for stream in streams]
            views_MVBF = torch.stack([batch.views_VBF for batch in batches])
            losses.append(self.stack.step(views_MVBF, torch.stack([b.indices_B for b in batches])))
        return torch.stack(losses)


def start(train: dict[str, object], members: list[Member] = MEMBERS) -> Run:
    settings = TrainSettings.model_validate({"batch_size": BATCH, "steps": STEPS, **train})
    cohort = make_cohort(members, model=MODEL, train=settings)
    return Run(cohort, Stack(cohort, DATA, CPU, torch.float32))


def assert_equal_states(ours: dict[str, Tensor], theirs: dict[str, Tensor]) -> None:
    assert ours.keys() == theirs.keys()
    for name, tensor in ours.items():
        assert torch.equal(tensor, theirs[name]), name


@every_optimiser
def test_an_interrupted_run_has_the_bits_of_an_uninterrupted_one(train: dict[str, object]) -> None:
    whole = start(train)
    whole.advance(0, INTERRUPTED_AFTER)
    saved = whole.stack.state()
    losses = whole.advance(INTERRUPTED_AFTER, STEPS)

    resumed = start(train)
    resumed.advance(0, 2)  # what a new stack would have drawn or learned is overwritten
    resumed.stack.load_state(saved)
    assert torch.equal(resumed.advance(INTERRUPTED_AFTER, STEPS), losses)
    assert_equal_states(resumed.stack.state(), whole.stack.state())


@every_optimiser
def test_the_survivors_of_a_cohort_go_on_in_a_cohort_of_their_own(train: dict[str, object]) -> None:
    whole = start(train)
    whole.advance(0, 2)
    whole.stack.keep([1, 3, 4, 7, 8])
    whole.advance(2, INTERRUPTED_AFTER)
    saved = whole.stack.state()
    whole.advance(INTERRUPTED_AFTER, STEPS)

    alone = start(train, list(whole.stack.members))
    alone.stack.load_state(saved)
    assert alone.stack.members == whole.stack.members
    alone.advance(INTERRUPTED_AFTER, STEPS)
    assert_equal_states(alone.stack.state(), whole.stack.state())


def test_the_tensors_that_objectives_hold_are_those_of_the_state() -> None:
    run = start(OPTIMISERS[0])
    state = run.stack.state()
    name = next(name for name in state if name.endswith("held/prototypes_MKD"))
    state[name] = state[name].roll(1, dims=1)
    other = start(OPTIMISERS[0])
    other.stack.load_state(state)
    assert not torch.equal(other.advance(0, 1), run.advance(0, 1))
    assert torch.equal(other.stack.state()[name], state[name])


def test_a_state_is_a_copy_and_loading_copies_again() -> None:
    run = start(OPTIMISERS[1])
    run.advance(0, 2)
    saved = run.stack.state()
    before = {name: tensor.clone() for name, tensor in saved.items()}
    run.advance(2, 4)
    assert_equal_states(saved, before)
    run.stack.load_state(saved)
    run.advance(2, 4)
    assert_equal_states(saved, before)


def test_a_state_is_flat_and_each_tensor_its_own_memory() -> None:
    run = start(OPTIMISERS[2])
    run.advance(0, 1)
    state = run.stack.state()
    assert all(tensor.is_contiguous() for tensor in state.values())
    assert len({tensor.untyped_storage().data_ptr() for tensor in state.values()}) == len(state)
    assert all(len(tensor) for name, tensor in state.items() if not name.endswith("/steps"))
    for part in ("parameters/encoder.0.weight", "running/head.0.var", "optimizer/steps"):
        assert part in state


def test_the_state_of_other_members_is_refused() -> None:
    saved = start(OPTIMISERS[0]).stack.state()
    fewer = start(OPTIMISERS[0], MEMBERS[:2])
    with pytest.raises(StackStateError, match=r"saved parameters belong to another cohort.*weight"):
        fewer.stack.load_state(saved)
