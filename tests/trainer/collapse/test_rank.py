"""Ranks of a given spectrum: closed forms, scale, order between them."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from trainer.collapse.rank import effective_rank, rankme, stable_rank


@pytest.mark.parametrize(
    ("eigenvalues", "expected"),
    [
        ([0.25] * 4, (4.0, 4.0, 4.0)),
        ([1.0, 0.0, 0.0], (1.0, 1.0, 1.0)),
        ([0.0, 0.0], (0.0, 0.0, 0.0)),
        ([0.9, 0.1], (0.9**-0.9 * 0.1**-0.1, 0.75**-0.75 * 0.25**-0.25, 1 / 0.9)),
    ],
)
def test_closed_forms(eigenvalues: list[float], expected: tuple[float, float, float]) -> None:
    spectrum_K = torch.tensor(eigenvalues, dtype=torch.float64)
    got = (effective_rank(spectrum_K), rankme(spectrum_K), stable_rank(spectrum_K))
    assert [value.item() for value in got] == pytest.approx(expected)


@settings(max_examples=50, deadline=None)
@given(
    eigenvalues=st.lists(st.floats(0, 1), min_size=1, max_size=10).filter(lambda e: max(e) > 1e-6),
    scale=st.floats(1e-3, 1e3),
)
def test_ranks_are_ordered_bounded_and_blind_to_scale(
    eigenvalues: list[float], scale: float
) -> None:
    spectrum_K = torch.tensor(eigenvalues, dtype=torch.float64)
    ranks = [rank(spectrum_K).item() for rank in (stable_rank, effective_rank, rankme)]
    scaled = [rank(scale * spectrum_K).item() for rank in (stable_rank, effective_rank, rankme)]
    assert 1 - 1e-9 <= ranks[0] <= ranks[1] + 1e-9 <= ranks[2] + 2e-9
    assert ranks[2] <= len(eigenvalues) + 1e-9
    assert scaled == pytest.approx(ranks)


def test_leading_dimensions_are_members() -> None:
    spectra_MK = torch.tensor([[[1.0, 0.0], [0.5, 0.5]], [[0.0, 0.0], [0.75, 0.25]]])
    assert effective_rank(spectra_MK).tolist() == [
        pytest.approx([1.0, 2.0]),
        pytest.approx([0.0, 4 / 3**0.75]),
    ]
    assert math.isclose(stable_rank(spectra_MK)[1, 1].item(), 4 / 3, rel_tol=1e-6)
