"""measure: closed forms, an independent reference by SVD, invariances, measured facts, refusals."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.testing import assert_close

from trainer.collapse.errors import EmbeddingShapeError, NonFiniteEmbeddingError
from trainer.collapse.spectrum import SINGLE_ABOVE_SIDE, Collapse, measure, spectrum

FIELDS = tuple(Collapse.__slots__)
RANKS = ("effective_rank", "rankme", "stable_rank", "participation_ratio")


def random_embeddings(*shape: int, seed: int, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def entropy_rank(weights: list[float]) -> float:
    shares = [weight / sum(weights) for weight in weights]
    return math.exp(-sum(p * math.log(p) for p in shares if p > 0.0))


def reference(embeddings: Tensor) -> dict[str, float]:
    """Every measure by a singular value decomposition and loops over rows, in numpy."""
    rows = embeddings.double().numpy()
    rows = np.stack([row / max(np.linalg.norm(row), 1e-300) for row in rows])
    n = len(rows)
    sigmas = np.linalg.svd(rows, compute_uv=False)
    energies = [float(sigma**2) / n for sigma in sigmas]
    centred = np.linalg.svd(rows - rows.mean(axis=0), compute_uv=False) ** 2
    shares = centred / centred.sum()
    kernel = [
        math.exp(-2.0 * float(np.sum((rows[i] - rows[j]) ** 2)))
        for i in range(n)
        for j in range(n)
        if i != j
    ]
    return {
        "effective_rank": entropy_rank(energies),
        "rankme": entropy_rank([float(sigma) for sigma in sigmas]),
        "stable_rank": sum(energies) / max(energies),
        "participation_ratio": 1.0 / float(np.sum(shares**2)),
        "total_variance": 1.0 - float(np.linalg.norm(rows.mean(axis=0))) ** 2,
        "uniformity": math.log(sum(kernel) / len(kernel)),
    }


@pytest.mark.parametrize(("n", "d"), [(40, 8), (8, 40), (2, 2), (12, 12), (5, 2), (270, 5)])
def test_agrees_with_a_singular_value_decomposition_and_loops(n: int, d: int) -> None:
    # A common offset, so that the centred and the uncentred measures differ.
    embeddings = random_embeddings(n, d, seed=n * d) + 0.5
    collapse = measure(embeddings)
    for name, expected in reference(embeddings).items():
        assert getattr(collapse, name).item() == pytest.approx(expected, rel=1e-9, abs=1e-12), name


@pytest.mark.parametrize(
    ("embeddings", "expected"),
    [
        pytest.param(torch.eye(6), [6.0, 6.0, 6.0, 5.0, 5 / 6, -4.0], id="orthonormal-rows"),
        pytest.param(torch.ones(5, 4), [1.0, 1.0, 1.0, 0.0, 0.0, 0.0], id="all-rows-equal"),
        pytest.param(
            torch.tensor([[1.0, 1.0], [-2.0, -2.0]]),
            [1.0, 1.0, 1.0, 1.0, 1.0, -8.0],
            id="antipodal",
        ),
        pytest.param(torch.zeros(5, 4), [0.0, 0.0, 0.0, 0.0, 0.0, 0.0], id="all-zero"),
        pytest.param(
            torch.tensor([[1.0, 0.0]] * 3 + [[0.0, 1.0]]),
            [
                4 / 3**0.75,
                entropy_rank([math.sqrt(3.0), 1.0]),
                4 / 3,
                1.0,
                3 / 8,
                math.log((1 + math.exp(-4)) / 2),
            ],
            id="energies-3/4-1/4",
        ),
    ],
)
def test_closed_forms(embeddings: Tensor, expected: list[float]) -> None:
    collapse = measure(embeddings)
    names = [*RANKS, "total_variance", "uniformity"]
    for name, value in zip(names, expected, strict=True):
        assert getattr(collapse, name).item() == pytest.approx(value, rel=1e-6, abs=1e-7), name


@settings(max_examples=25, deadline=None)
@given(
    n=st.integers(2, 24),
    d=st.integers(1, 24),
    log10_scale=st.floats(-30, 30),
    seed=st.integers(0, 2**16),
)
def test_is_bounded_and_blind_to_row_scale_rotation_and_order(
    n: int, d: int, log10_scale: float, seed: int
) -> None:
    embeddings = random_embeddings(n, d, seed=seed)
    rotation = torch.linalg.qr(random_embeddings(d, d, seed=seed + 1)).Q
    order = torch.randperm(n, generator=torch.Generator().manual_seed(seed))
    scales = 10**log10_scale * (1 + torch.rand(n, 1, generator=torch.Generator().manual_seed(seed)))
    collapse = measure(embeddings)

    for name in ("effective_rank", "rankme", "stable_rank"):
        assert 1 - 1e-9 <= getattr(collapse, name).item() <= min(n, d) + 1e-9
    assert 0 <= collapse.participation_ratio.item() <= min(n - 1, d) + 1e-9
    assert -1e-12 <= collapse.total_variance.item() <= 1 + 1e-12
    assert -8 - 1e-9 <= collapse.uniformity.item() <= 1e-9
    assert collapse.stable_rank <= collapse.effective_rank + 1e-9 <= collapse.rankme + 2e-9
    for other in (scales * embeddings, embeddings @ rotation, embeddings[order]):
        for name in (*RANKS, "total_variance", "uniformity"):
            assert_close(getattr(measure(other), name), getattr(collapse, name))


@settings(max_examples=20, deadline=None)
@given(n=st.integers(2, 40), d=st.integers(1, 40), m=st.integers(2, 5), seed=st.integers(0, 2**16))
def test_a_member_is_bit_identical_whatever_else_is_in_the_stack(
    n: int, d: int, m: int, seed: int
) -> None:
    stack = random_embeddings(m, n, d, seed=seed, dtype=torch.float32)
    partner = stack.roll(1, dims=0)
    together = measure(stack, partner)
    nested = measure(stack.unsqueeze(1), partner.unsqueeze(1))
    for index in range(m):
        alone = measure(stack[index], partner[index])
        for name in FIELDS:
            assert torch.equal(getattr(together, name)[index], getattr(alone, name)), name
            assert torch.equal(getattr(nested, name)[index, 0], getattr(alone, name)), name


def test_results_have_the_leading_shape_and_the_spectrum_one_value_a_dimension() -> None:
    collapse = measure(random_embeddings(2, 3, 5, 7, seed=0))
    assert collapse.effective_rank.shape == (2, 3)
    assert collapse.spectrum_K.shape == (2, 3, 7)
    assert collapse.alignment is None


def test_the_spectrum_descends_sums_to_one_and_is_what_measure_reports() -> None:
    embeddings = random_embeddings(4, 30, 9, seed=3)
    spectrum_MK = spectrum(embeddings)
    assert (spectrum_MK.diff(dim=-1) <= 0).all()
    assert_close(spectrum_MK.sum(dim=-1), torch.ones(4, dtype=torch.float64))
    assert torch.equal(spectrum_MK, measure(embeddings).spectrum_K)


def test_zero_rows_stay_zero_and_lower_only_the_sum_of_the_spectrum() -> None:
    embeddings = torch.eye(4)
    padded = torch.cat([embeddings, torch.zeros(4, 4)])
    assert measure(padded).effective_rank.item() == pytest.approx(4.0)
    assert measure(padded).spectrum_K.sum().item() == pytest.approx(0.5)


def test_alignment_is_the_mean_squared_distance_of_the_pairs() -> None:
    embeddings = random_embeddings(3, 6, 4, seed=0)
    assert_close(measure(embeddings, 3 * embeddings).alignment, torch.zeros(3).double())
    assert_close(measure(embeddings, -embeddings).alignment, torch.full((3,), 4.0).double())


def test_rankme_hardly_notices_a_dominant_direction_that_effective_rank_sees() -> None:
    # Pins why RankMe never stands alone: 57 % of the energy in one direction of 32.
    embeddings = random_embeddings(512, 32, seed=0)
    embeddings[:, 0] *= 11
    collapse = measure(embeddings)
    assert 1 / collapse.stable_rank.item() == pytest.approx(0.57, abs=0.005)
    assert collapse.rankme.item() == pytest.approx(26.9, abs=0.1)
    assert collapse.effective_rank.item() == pytest.approx(8.5, abs=0.1)


def test_a_centred_rank_reads_round_off_but_ours_reads_no_direction_at_full_collapse() -> None:
    direction = random_embeddings(1, 16, seed=0, dtype=torch.float32)
    jitter = 1 + 1e-7 * random_embeddings(64, 16, seed=1, dtype=torch.float32)
    collapsed = direction * jitter
    rows = torch.nn.functional.normalize(collapsed.double(), dim=-1)
    naive = torch.linalg.eigvalsh(torch.cov(rows.mT)).clamp(min=0)
    assert entropy_rank(naive.tolist()) > 5
    assert measure(collapsed).participation_ratio.item() == 0
    assert measure(collapsed).effective_rank.item() == pytest.approx(1.0, abs=1e-9)


def test_a_direction_ten_decades_down_is_resolved() -> None:
    # Two rows at angle +-1e-5: energies cos^2 and sin^2.
    rows = torch.tensor([[1.0, 1e-5], [1.0, -1e-5]])
    expected = torch.tensor([1.0 - 1e-10, 1e-10], dtype=torch.float64)
    assert_close(spectrum(rows), expected, rtol=1e-5, atol=0)
    assert measure(rows).effective_rank.item() - 1 == pytest.approx(
        1e-10 * (1 + math.log(1e10)), rel=1e-4
    )


@pytest.mark.parametrize(("n", "d"), [(400, 150), (150, 400)])
def test_a_large_well_conditioned_matrix_agrees_with_float64_to_five_digits(n: int, d: int) -> None:
    embeddings = random_embeddings(n, d, seed=0) + 0.1
    rows = torch.nn.functional.normalize(embeddings, dim=-1)
    energies = torch.linalg.svdvals(rows).square() / n
    centred = torch.linalg.svdvals(rows - rows.mean(dim=0)).square()
    collapse = measure(embeddings)
    assert min(n, d) > SINGLE_ABOVE_SIDE
    assert_close(collapse.spectrum_K[: min(n, d)], energies, rtol=1e-4, atol=0)
    assert collapse.effective_rank.item() == pytest.approx(
        entropy_rank(energies.tolist()), rel=1e-5
    )
    assert collapse.rankme.item() == pytest.approx(entropy_rank(energies.sqrt().tolist()), rel=1e-5)
    assert collapse.participation_ratio.item() == pytest.approx(
        (centred.sum().square() / centred.square().sum()).item(), rel=1e-5
    )


def test_a_large_collapsed_matrix_is_decomposed_in_float64() -> None:
    # In float32 the 147 empty directions would read as round-off near 1e-7 each.
    three = random_embeddings(400, 3, seed=0) @ random_embeddings(3, 150, seed=1)
    collapse = measure(three)
    assert (collapse.spectrum_K > 0).sum() < 10
    assert collapse.rankme.item() < 3


def test_bfloat16_inputs_inflate_the_rank_of_collapsed_embeddings() -> None:
    # Pins the reason the docstring asks for float32.
    three = random_embeddings(256, 3, seed=0) @ random_embeddings(3, 64, seed=1)
    exact = measure(three).rankme
    assert exact < 3.0 < measure(three.bfloat16()).rankme < 1.2 * exact


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_every_floating_dtype_is_measured_in_float64(dtype: torch.dtype) -> None:
    collapse = measure(torch.eye(4, dtype=dtype), torch.eye(4, dtype=dtype))
    assert all(getattr(collapse, name).dtype == torch.float64 for name in FIELDS)
    assert collapse.effective_rank.item() == pytest.approx(4.0)


@pytest.mark.parametrize("poison", [math.nan, math.inf])
def test_divergence_is_not_reported_as_collapse(poison: float) -> None:
    embeddings = torch.ones(4, 3)
    embeddings[2, 1] = poison
    with pytest.raises(NonFiniteEmbeddingError, match=r"1 of 12 entries"):
        measure(embeddings)
    with pytest.raises(NonFiniteEmbeddingError, match=r"1 of 12 entries"):
        measure(torch.ones(4, 3), embeddings)
    with pytest.raises(NonFiniteEmbeddingError, match=r"1 of 12 entries"):
        spectrum(embeddings)


@pytest.mark.parametrize("shape", [(4,), (0, 4), (4, 0), (0, 4, 4)])
def test_rejects_what_is_not_a_non_empty_matrix(shape: tuple[int, ...]) -> None:
    with pytest.raises(EmbeddingShapeError, match=r"non-empty embeddings \[\.\.\., N, D\]"):
        measure(torch.zeros(shape))


def test_rejects_a_single_row_integers_and_a_partner_of_another_shape() -> None:
    with pytest.raises(EmbeddingShapeError, match="at least 2 rows"):
        measure(torch.ones(1, 4))
    with pytest.raises(EmbeddingShapeError, match=r"floating-point embeddings, got torch\.int64"):
        measure(torch.ones(4, 4, dtype=torch.int64))
    with pytest.raises(EmbeddingShapeError, match="same shape"):
        measure(torch.ones(4, 4), torch.ones(5, 4))
