"""Denormals are flushed while a cohort trains and are back afterwards, whatever happens."""

from collections.abc import Iterator

import pytest
import torch

from tests.trainer.cohorts import CPU, make_cohort, make_member
from trainer.denormals import flush_denormals, is_flushing_denormals
from trainer.errors import BatchTooLargeError
from trainer.loop import Progress, train_cohort
from trainer.settings import TrainSettings

COHORT = make_cohort([make_member("a", lr=0.1, kind="infonce")])

pytestmark = pytest.mark.skipif(
    not torch.set_flush_denormal(False), reason="this processor cannot flush denormals"
)


@pytest.fixture(autouse=True)
def denormals_are_kept() -> Iterator[None]:
    torch.set_flush_denormal(False)
    yield
    torch.set_flush_denormal(False)


@pytest.mark.parametrize("before", [False, True])
def test_the_switch_is_put_back(before: bool) -> None:
    torch.set_flush_denormal(before)
    with flush_denormals():
        assert is_flushing_denormals()
        assert (torch.tensor(1e-30) * 1e-10).item() == 0.0
    assert is_flushing_denormals() == before
    assert ((torch.tensor(1e-30) * 1e-10).view(torch.int32).item() == 0) == before


def test_training_flushes_and_puts_the_switch_back() -> None:
    seen = []

    def look(progress: Progress) -> None:
        seen.append((progress.step, is_flushing_denormals()))

    train_cohort(COHORT, device=CPU, on_step=look)
    assert seen == [(step, True) for step in range(11)]
    assert not is_flushing_denormals()


def test_a_refused_cohort_puts_the_switch_back_too() -> None:
    huge = COHORT.model_copy(update={"train": TrainSettings(batch_size=5000)})
    with pytest.raises(BatchTooLargeError, match="at most 1257"):
        train_cohort(huge, device=CPU)
    assert not is_flushing_denormals()
