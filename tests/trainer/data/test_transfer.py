"""Draws are sent as they are: the device and dtype change, no value does."""

import pytest
import torch

from trainer.data.transfer import send


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_floating_draws_take_the_dtype_of_the_images(dtype: torch.dtype) -> None:
    drawn = torch.rand(5, 3)
    sent = send(drawn, torch.empty(2, dtype=dtype))
    assert sent.dtype == dtype
    assert torch.equal(sent, drawn.to(dtype))


def test_positions_stay_positions() -> None:
    drawn = torch.arange(4)
    assert torch.equal(send(drawn, torch.empty(2)), drawn)
    assert send(drawn, torch.empty(2)).dtype == torch.int64


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_gpu_gets_the_same_values() -> None:
    drawn = torch.rand(1000, 100)
    assert torch.equal(send(drawn, torch.empty(1, device="cuda")).cpu(), drawn)
