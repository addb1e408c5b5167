"""bfloat16: what the encoder runs in, what objectives and measures see, and how far it strays."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from torch.testing import assert_close

from tests.trainer.gradient_stacks import DATA, advance, crowd, every_norm, stack_of
from trainer.objective import Objective, ObjectiveBatch
from trainer.settings import Norm


class Spy:
    """An objective that notes what it is given."""

    def __init__(self, inner: Objective) -> None:
        self.inner = inner
        self.dtypes: set[torch.dtype] = set()

    def init_parameters(self) -> dict[str, Tensor]:
        return self.inner.init_parameters()

    def __call__(self, parameters: Mapping[str, Tensor], batch: ObjectiveBatch) -> Tensor:
        self.dtypes.add(batch.views_MND.dtype)
        self.is_autocast = torch.is_autocast_enabled("cpu")
        losses_M = self.inner(parameters, batch)
        self.dtypes.add(losses_M.dtype)
        return losses_M

    def differentiate(self, batch: ObjectiveBatch) -> tuple[Tensor, Tensor] | None:
        return self.inner.differentiate(batch)

    def select(self, keep: Sequence[int]) -> "Spy":
        return self


@every_norm
def test_objectives_and_measures_see_float32_whatever_the_encoder_runs_in(norm: Norm) -> None:
    stack = stack_of(crowd(["infonce"]), norm=norm, dtype=torch.float32, precision="bfloat16")
    spy = Spy(stack._groups[0].objective)
    stack._groups[0].objective = spy
    stack.keep([0, 1])
    losses = advance(stack, torch.float32)
    assert spy.dtypes == {torch.float32}
    assert not spy.is_autocast
    assert losses.dtype == torch.float32
    assert {tensor.dtype for tensor in stack.state().values()} <= {torch.float32, torch.int64}

    images = DATA.test_images_NCHW[:30].flatten(1).float()
    exact = stack_of(crowd(["infonce"]), norm=norm, dtype=torch.float32)
    exact.parameters, exact._running = stack.parameters, stack._running
    for ours, theirs in zip(stack.embed(images), exact.embed(images), strict=True):
        assert ours.dtype == torch.float32
        assert torch.equal(ours, theirs), "evaluated in float32, not rounded to bfloat16"


def test_bfloat16_training_stays_within_five_percent_of_float32() -> None:
    # bfloat16 has 8 bits: 0.4 % a product, and four steps of three layers.
    names = ["infonce", "supcon", "clop", "siglip", "ce"]
    full, half = (
        stack_of(crowd(names), dtype=torch.float32, precision=p) for p in ("float32", "bfloat16")
    )
    expected, losses = advance(full, torch.float32), advance(half, torch.float32)
    assert not torch.equal(losses, expected), "bfloat16 was used"
    assert_close(losses, expected, rtol=0.05, atol=0.0)
    for name, weights in full.parameters.items():
        difference = (half.parameters[name] - weights).norm() / weights.norm().clamp(min=0.1)
        assert difference < 0.05, name


def test_a_member_in_bfloat16_is_blind_to_its_neighbours() -> None:
    together = stack_of(crowd(), dtype=torch.float32, precision="bfloat16")
    losses = advance(together, torch.float32)
    for position in (0, 7, 20):
        alone = stack_of([together.members[position]], dtype=torch.float32, precision="bfloat16")
        assert torch.equal(advance(alone, torch.float32)[:, 0], losses[:, position])


def test_float64_is_the_reference_whatever_the_precision_says() -> None:
    full, half = (stack_of(crowd(["infonce"]), precision=p) for p in ("float32", "bfloat16"))
    assert torch.equal(advance(full), advance(half))
