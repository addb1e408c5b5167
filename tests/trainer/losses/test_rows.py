"""Rows: unit length, finite gradients, and columns that keep members aligned."""

import pytest
import torch
from torch.nn.functional import normalize
from torch.testing import assert_close

from trainer.losses.rows import normalize_rows, pad_columns


def random_rows(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def test_agrees_with_torch_away_from_zero() -> None:
    rows = random_rows(3, 6, 5)
    assert_close(normalize_rows(rows), normalize(rows, dim=-1), rtol=1e-15, atol=0)


def test_gradient_is_that_of_the_value() -> None:
    assert torch.autograd.gradcheck(normalize_rows, (random_rows(4, 3).requires_grad_(),))


def test_a_zero_row_stays_zero_and_passes_its_gradient_on_unscaled() -> None:
    rows = torch.zeros(2, 3, requires_grad=True)
    unit = normalize_rows(rows)
    assert torch.equal(unit, torch.zeros(2, 3))
    assert torch.equal(torch.autograd.grad(unit.sum(), rows)[0], torch.ones(2, 3))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
def test_half_precision_rows_are_normalised_in_float32(dtype: torch.dtype) -> None:
    rows = random_rows(4, 300).to(dtype)
    assert torch.equal(normalize_rows(rows), normalize_rows(rows.float()))


def test_padding_appends_zero_columns_and_leaves_full_cache_lines_alone() -> None:
    rows = random_rows(2, 4, 5)
    padded = pad_columns(rows)
    assert padded.shape == (2, 4, 16)
    assert torch.equal(padded[..., :5], rows)
    assert not padded[..., 5:].any()
    full = random_rows(2, 4, 32)
    assert pad_columns(full) is full
