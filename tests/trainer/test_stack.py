"""Stacked training is one-by-one training, step by step, against plain torch.nn and torch.optim."""

from dataclasses import dataclass, replace
from itertools import combinations
from typing import Literal

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from tests.trainer.cohorts import CPU, DIGITS, make_cohort, make_member
from tests.trainer.plain_training import PlainTrainer
from trainer.cohort import Cohort
from trainer.data.batches import BatchStream
from trainer.data.images import load_images
from trainer.settings import DataSettings, ModelSettings, TrainSettings
from trainer.stack import Stack, pack_order

STEPS = 6
DROP_AFTER_STEP = 3
MEMBERS = (
    make_member("a", lr=0.3, seed=1, kind="infonce", temperature=0.1),
    make_member("b", lr=0.02, seed=2, kind="infonce", temperature=0.7),
    make_member("c", lr=0.05, seed=1, kind="infonce", temperature=0.05),
    make_member("d", lr=0.2, seed=2, kind="supcon", temperature=0.1),
    make_member("e", lr=0.1, seed=1, kind="supcon", temperature=1.0),
    make_member("f", lr=0.1, seed=1, kind="clop", temperature=0.2, label_fraction=0.3),
    make_member("g", lr=0.3, seed=2, kind="clop", temperature=0.5, label_fraction=1.0),
    make_member("h", lr=0.04, seed=1, kind="clop", lambda_=3.0, label_fraction=0.0),
    make_member("i", lr=0.08, seed=2, kind="clop", lambda_=3.0, temperature=0.005),
)


@dataclass(frozen=True, slots=True)
class Setup:
    """A stack and its data; the streams are those that the loop would use."""

    cohort: Cohort
    stack: Stack
    streams: dict[int, BatchStream]
    labels_N: Tensor
    test_images_NF: Tensor

    def batch(self, step: int) -> tuple[Tensor, Tensor]:
        batches = [self.streams[m.seed].batch_at(step) for m in self.stack.members]
        return torch.stack([b.views_VBF for b in batches]), torch.stack(
            [b.indices_B for b in batches]
        )


def set_up(cohort: Cohort, dtype: torch.dtype = torch.float64) -> Setup:
    assert isinstance(cohort.data, DataSettings)
    data = load_images(cohort.data).to(CPU, dtype)
    size = cohort.train.batch_size
    return Setup(
        cohort,
        Stack(cohort, data, CPU, dtype),
        {s: BatchStream(data, DIGITS.augment, size, s) for s in {m.seed for m in cohort.members}},
        data.train_labels_N,
        data.test_images_NCHW[:50].flatten(1),
    )


def member_state(stack: Stack, position: int) -> list[Tensor]:
    """Return one member's tensors in the order and layout of torch.nn's state_dict."""
    state = []
    for name in [n.removesuffix(".weight") for n in stack.parameters if n.endswith(".weight")]:
        rows = {part: p[position] for part, p in parts_of(stack.parameters, name).items()}
        state += [rows["weight"].mT, rows["bias"][0]]
        if "gain" in rows:
            state += [rows["gain"][0], rows["shift"][0]]
        running = parts_of(stack._running, name)
        state += [running[part][position, 0] for part in ("mean", "var") if part in running]
    return state


def parts_of(tensors: dict[str, Tensor], layer: str) -> dict[str, Tensor]:
    return {n.rsplit(".", 1)[1]: t for n, t in tensors.items() if n.rsplit(".", 1)[0] == layer}


def assert_same_state(ours: list[Tensor], plain: list[Tensor]) -> None:
    assert len(ours) == len(plain)
    for mine, theirs in zip(ours, plain, strict=True):
        assert_close(mine, theirs, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("norm", ["none", "layer", "batch"])
@pytest.mark.parametrize("head_hidden", [(), (14,)], ids=["linear-head", "deep-head"])
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_every_step_of_every_member_is_that_of_a_plain_trainer(
    norm: Literal["none", "layer", "batch"],
    head_hidden: tuple[int, ...],
    optimizer: Literal["sgd", "adam"],
) -> None:
    model = ModelSettings(
        encoder="mlp", hidden=(20, 12), head_hidden=head_hidden, embed_dim=11, norm=norm
    )
    train = TrainSettings(batch_size=14, optimizer=optimizer, momentum=0.8, weight_decay=0.02)
    setup = set_up(make_cohort(MEMBERS, model=model, train=train))
    stack = setup.stack
    plain = {m.trial: PlainTrainer(m, setup.cohort, setup.labels_N) for m in setup.cohort.members}
    for step in range(STEPS):
        views_MVBF, indices_MB = setup.batch(step)
        losses = stack.step(views_MVBF, indices_MB)
        for position, member in enumerate(stack.members):
            reference = plain[member.trial]
            expected = reference.step(views_MVBF[position], indices_MB[position])
            assert losses[position].item() == pytest.approx(expected, rel=1e-10)
            assert_same_state(member_state(stack, position), reference.state())
        if step == DROP_AFTER_STEP:
            stack.keep([0, 2, 5, 6])
    _, projections_MND = stack.embed(setup.test_images_NF)
    for position, member in enumerate(stack.members):
        expected_ND = plain[member.trial].embed(setup.test_images_NF)
        assert_close(projections_MND[position], expected_ND, rtol=1e-9, atol=1e-10)


def test_replicates_start_apart_and_members_of_one_replicate_together() -> None:
    stack = set_up(make_cohort(MEMBERS)).stack
    seeds = [member.seed for member in stack.members]
    for rows in stack.parameters.values():
        for i, j in combinations(range(len(seeds)), 2):
            assert torch.equal(rows[i], rows[j]) == (seeds[i] == seeds[j])


def test_members_are_stacked_by_objective_then_seed() -> None:
    stack = set_up(make_cohort(MEMBERS[::-1])).stack
    assert stack.members == tuple(sorted(MEMBERS, key=pack_order))
    assert [group.size for group in stack._groups] == [4, 3, 2]


def test_dropping_everybody_leaves_an_empty_stack() -> None:
    stack = set_up(make_cohort(MEMBERS)).stack
    stack.keep([])
    assert stack.members == ()
    assert all(len(rows) == 0 for rows in stack.parameters.values())


def test_learnable_objectives_train_their_own_parameters_beside_others() -> None:
    # Two kinds with parameters, of different sizes, and one without: none is mixed up.
    crowd = [
        make_member("a", lr=0.1, seed=1, kind="ce"),
        make_member("b", lr=0.3, seed=2, kind="ce"),
        make_member("c", lr=0.1, seed=1, kind="infonce"),
        make_member("d", lr=0.2, seed=2, kind="siglip"),
    ]
    together = set_up(make_cohort(crowd))
    for step in range(STEPS):
        together.stack.step(*together.batch(step))
    together.stack.keep([1, 3])
    together.stack.step(*together.batch(STEPS))
    for position, trial in enumerate("bd"):
        alone = set_up(make_cohort([m for m in crowd if m.trial == trial]))
        for step in range(STEPS + 1):
            alone.stack.step(*alone.batch(step))
        group, own = together.stack._groups[position], alone.stack._groups[0]
        assert group.parameters
        for name, rows in group.parameters.items():
            assert torch.equal(rows[0], own.parameters[name][0])
            assert not torch.equal(rows, own.objective.init_parameters()[name])
        for name, rows in together.stack.parameters.items():
            assert torch.equal(rows[position], alone.stack.parameters[name][0])


@pytest.mark.parametrize("norm", ["none", "layer", "batch"])
def test_cl_and_nscl_stay_bit_equal_while_all_labels_differ(
    norm: Literal["none", "layer", "batch"],
) -> None:
    # They share weights, batches and views, and differ by labels only: here by nothing.
    model = ModelSettings(encoder="mlp", hidden=(20, 12), embed_dim=11, norm=norm)
    pair = [make_member(kind, lr=0.3, seed=4, kind=kind) for kind in ("cl", "nscl")]
    cohort = make_cohort(pair, model=model, train=TrainSettings(batch_size=40))
    data = load_images(DIGITS)
    distinct = replace(data, train_labels_N=torch.arange(len(data.train_labels_N)))
    for labelled, equal in [(distinct, True), (data, False)]:
        stack = Stack(cohort, labelled, CPU, torch.float32)
        stream = BatchStream(labelled, DIGITS.augment, 40, 4)
        for step in range(STEPS):
            batch = stream.batch_at(step)
            stack.step(batch.views_VBF.expand(2, -1, -1, -1), batch.indices_B.expand(2, -1))
        weights = stack.parameters["encoder.0.weight"]
        assert torch.equal(weights[0], weights[1]) == equal
