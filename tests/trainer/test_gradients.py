"""Every route to the gradients ends at those of the whole batch, all members at once."""

from typing import Any

import pytest
import torch
from pydantic import TypeAdapter
from torch import Tensor
from torch.testing import assert_close

from tests.contracts.objective import read_settings
from tests.trainer.gradient_stacks import (
    BATCH,
    DATA,
    EVERYTHING,
    OneByOne,
    advance,
    assert_near,
    assert_same_bits,
    crowd,
    every_norm,
    every_objective,
    settings_of,
    stack_of,
)
from trainer.errors import MicroBatchError
from trainer.gradients import Gradients, differentiate
from trainer.models.blocks import checkpointed_blocks
from trainer.models.chain import Chain
from trainer.models.mlp import StackedMlp
from trainer.models.protocol import Tensors
from trainer.objective_settings import ObjectiveSettings
from trainer.settings import ModelSettings, Norm
from trainer.stack import Stack


def test_all_kinds_of_objectives_are_here() -> None:
    schema = TypeAdapter[ObjectiveSettings](ObjectiveSettings).json_schema()
    kinds = {read_settings(**settings_of(name)).kind for name in EVERYTHING}
    assert kinds == set(schema["discriminator"]["mapping"])


@every_norm
@pytest.mark.parametrize("at_once", [1, 2, 3])
def test_members_one_after_another_have_the_bits_of_members_at_once(
    norm: Norm, at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def build() -> Stack:
        return stack_of(crowd(), norm=norm, dtype=torch.float32, clip_norm=0.5, optimizer="adam")

    together = build()
    lay_out = StackedMlp.of
    monkeypatch.setattr(
        "trainer.models.build.StackedMlp.of", lambda *args: OneByOne(lay_out(*args), at_once)
    )
    apart = build()
    for _ in range(2):
        losses = [advance(stack, torch.float32) for stack in (together, apart)]
        assert torch.equal(*losses)
        assert_same_bits(apart, together)
        images = DATA.test_images_NCHW[:30].flatten(1).float()
        for ours, theirs in zip(apart.embed(images), together.embed(images), strict=True):
            assert torch.equal(ours, theirs)
        for stack in (together, apart):
            stack.keep(range(1, len(stack.members), 3))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_members_differentiated_by_hand_have_the_bits_of_a_graph(
    dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    def build() -> Stack:
        return stack_of(crowd(), norm="none", dtype=dtype, clip_norm=0.5, optimizer="adam")

    by_hand = build()
    assert by_hand._parts[0].chain is not None
    monkeypatch.setattr(Chain, "of", lambda _: None)
    in_graph = build()
    assert in_graph._parts[0].chain is None
    assert torch.equal(*(advance(stack, dtype) for stack in (by_hand, in_graph)))
    assert_same_bits(by_hand, in_graph)


@every_objective
@pytest.mark.parametrize("micro", [1, 7, 13])
def test_micro_batches_have_the_gradient_of_the_whole_batch(name: str, micro: int) -> None:
    # 26 pairs: 13 divides them, 7 leaves a ragged rest.
    whole, cut = (stack_of(crowd([name]), micro_batch_size=size) for size in (None, micro))
    assert_close(advance(cut), advance(whole), rtol=1e-12, atol=1e-12)
    assert_near(cut, whole, 1e-12)


def test_micro_batches_in_float32_are_as_near_as_round_off_allows() -> None:
    # Without tiny temperatures, which multiply round-off by 200.
    members = crowd([name for name in EVERYTHING if "tiny" not in name])
    whole, cut = (
        stack_of(members, dtype=torch.float32, micro_batch_size=size) for size in (None, 7)
    )
    losses = [advance(stack, torch.float32, steps=1) for stack in (cut, whole)]
    assert_close(*losses, rtol=1e-6, atol=1e-6)
    for name, weights in whole.parameters.items():
        assert_close(cut.parameters[name], weights, rtol=1e-6, atol=1e-6)


def test_a_micro_batch_as_large_as_the_batch_is_the_batch() -> None:
    whole, cut = (
        stack_of(crowd(["infonce"]), norm="batch", micro_batch_size=size) for size in (None, BATCH)
    )
    assert torch.equal(advance(whole), advance(cut))
    assert_same_bits(cut, whole)


def test_micro_batches_of_batch_norm_are_refused() -> None:
    with pytest.raises(MicroBatchError, match=r"cannot be smaller than train\.batch_size"):
        stack_of(crowd(["infonce"]), norm="batch", micro_batch_size=BATCH - 1)


def test_micro_batches_bound_the_rows_that_are_embedded_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rows: list[int] = []
    encode = StackedMlp.encode

    def spy(
        self: StackedMlp, parameters: Tensors, running: Tensors, x: Tensor, **how: Any
    ) -> Tensor:
        rows.append(x.shape[1])
        return encode(self, parameters, running, x, **how)

    monkeypatch.setattr(StackedMlp, "encode", spy)
    stack = stack_of(crowd(["infonce"]), micro_batch_size=7)
    advance(stack, steps=1)
    assert rows == 2 * [14, 14, 14, 10]
    stack.embed(torch.zeros(40, 64, dtype=torch.float64))
    assert rows[8:] == [14, 14, 12]


@pytest.mark.parametrize(
    ("norm", "micro"),
    [("none", None), ("layer", None), ("batch", None), ("none", 7), ("layer", 7)],
)
def test_checkpointed_activations_change_no_bit(norm: Norm, micro: int | None) -> None:
    plain, checkpointed = (
        stack_of(
            crowd(),
            norm=norm,
            dtype=torch.float32,
            micro_batch_size=micro,
            checkpoint_activations=is_checkpointed,
        )
        for is_checkpointed in (False, True)
    )
    assert torch.equal(*(advance(stack, torch.float32) for stack in (plain, checkpointed)))
    assert_same_bits(checkpointed, plain)


def kept_bytes(model: StackedMlp, *, is_checkpointed: bool) -> int:
    """Return the bytes of activations that one forward pass keeps for the backward pass."""
    parameters = {n: p.float() for n, p in model.init_parameters([1, 2]).items()}
    known = {p.requires_grad_().untyped_storage().data_ptr() for p in parameters.values()}
    kept: dict[int, int] = {}

    def count(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in known:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    inputs = torch.rand(2, 64, 32)
    with (
        torch.autograd.graph.saved_tensors_hooks(count, lambda tensor: tensor),
        checkpointed_blocks(enabled=is_checkpointed),
    ):
        model.encode(parameters, {}, inputs, training=True)
    return sum(kept.values())


def test_checkpointed_activations_take_less_memory() -> None:
    settings = ModelSettings(encoder="mlp", hidden=(32, 32, 32, 32), embed_dim=8, norm="layer")
    model = StackedMlp.of(settings, 32)
    inputs_of_layers = 4 * 2 * 64 * 32 * 4
    assert kept_bytes(model, is_checkpointed=True) <= inputs_of_layers
    assert kept_bytes(model, is_checkpointed=False) > 2 * inputs_of_layers


@pytest.mark.parametrize("most", [0.05, 0.7, 1e6])
def test_gradients_are_clipped_as_torch_clips_those_of_one_member(
    most: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[Gradients] = []

    def spy(*arguments: Any) -> Gradients:
        found.append(differentiate(*arguments))
        return found[-1]

    monkeypatch.setattr("trainer.stack.differentiate", spy)
    stack = stack_of(crowd(), clip_norm=most, optimizer="sgd", momentum=0.0)
    before = {name: p.clone() for name, p in stack.parameters.items()}
    own_before = [dict(group.parameters) for group in stack._groups]
    own_before = [{name: p.clone() for name, p in named.items()} for named in own_before]
    advance(stack, steps=1)
    (gradients,) = found
    start = 0
    for group, own, own_gradients in zip(stack._groups, own_before, gradients.groups, strict=True):
        for m in range(group.size):
            member = stack.members[start + m]
            ours = [
                (before[n][start + m], stack.parameters[n][start + m], g[start + m])
                for n, g in gradients.model.items()
            ]
            ours += [(own[n][m], group.parameters[n][m], g[m]) for n, g in own_gradients.items()]
            alone = [torch.nn.Parameter(b.clone()) for b, _, _ in ours]
            for parameter, (_, _, gradient) in zip(alone, ours, strict=True):
                parameter.grad = gradient.clone()
            torch.nn.utils.clip_grad_norm_(alone, most)
            torch.optim.SGD(alone, lr=member.lr).step()
            for parameter, (_, after, _) in zip(alone, ours, strict=True):
                assert_close(after, parameter.detach(), rtol=1e-11, atol=1e-13)
        start += group.size
