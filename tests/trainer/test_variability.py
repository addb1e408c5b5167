"""CDNV: loops over classes, closed forms, neural and complete collapse, refusals."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.testing import assert_close

from trainer.collapse.errors import EmbeddingShapeError, NonFiniteEmbeddingError
from trainer.variability import cdnv, directional_cdnv


def labelled_features(n: int, d: int, classes: int, *, seed: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    labels = torch.cat([torch.arange(2), torch.randint(classes, (n - 2,), generator=generator)])
    return torch.randn(n, d, generator=generator, dtype=torch.float64), 3 * labels


def loop_cdnv(features: Tensor, labels: Tensor) -> tuple[float, float]:
    groups = {c: features[labels == c] for c in sorted(set(labels.tolist()))}
    plain, directional = [], []
    for i, a in groups.items():
        for j, b in groups.items():
            if i == j:
                continue
            axis = b.mean(dim=0) - a.mean(dim=0)
            distance = float(axis.norm())
            var_a, var_b = (float((g - g.mean(dim=0)).square().sum(dim=1).mean()) for g in (a, b))
            plain.append((var_a + var_b) / (2 * distance**2))
            along = [float((row - a.mean(dim=0)) @ axis) / distance for row in a]
            directional.append(sum(s * s for s in along) / len(along) / distance**2)
    return sum(plain) / len(plain), sum(directional) / len(directional)


@settings(max_examples=30, deadline=None)
@given(
    n=st.integers(2, 30),
    d=st.integers(1, 6),
    classes=st.integers(2, 6),
    log10_scale=st.floats(-20, 20),
    seed=st.integers(0, 2**16),
)
def test_agrees_with_loops_over_classes_at_any_scale(
    n: int, d: int, classes: int, log10_scale: float, seed: int
) -> None:
    features, labels = labelled_features(n, d, classes, seed=seed)
    plain, directional = loop_cdnv(features, labels)
    scaled = 10**log10_scale * features
    assert cdnv(scaled, labels).item() == pytest.approx(plain, rel=1e-7)
    assert directional_cdnv(scaled, labels).item() == pytest.approx(directional, rel=1e-7)
    assert directional_cdnv(features, labels) <= cdnv(features, labels) * (1 + 1e-9)


def test_only_variability_along_the_axis_between_centres_is_directional() -> None:
    # Centres 2 apart on x; spread 3 on y only, then on x only.
    labels = torch.tensor([0, 0, 1, 1])
    across = torch.tensor([[-1.0, 3.0], [-1.0, -3.0], [1.0, 3.0], [1.0, -3.0]])
    along = torch.tensor([[-4.0, 0.0], [2.0, 0.0], [-2.0, 0.0], [4.0, 0.0]])
    assert cdnv(across, labels).item() == pytest.approx(9 / 4)
    assert directional_cdnv(across, labels).item() == pytest.approx(0.0, abs=1e-15)
    assert (
        cdnv(along, labels).item() == directional_cdnv(along, labels).item() == pytest.approx(9 / 4)
    )


def test_neural_collapse_scores_zero_and_complete_collapse_is_infinite() -> None:
    labels = torch.arange(12) % 3
    frame = torch.eye(3)[labels]
    collapsed = torch.ones(12, 3)
    for measure in (cdnv, directional_cdnv):
        assert measure(frame, labels).item() == 0
        assert measure(collapsed, labels).item() == math.inf
        assert measure(torch.zeros(12, 3), labels).item() == math.inf


def test_members_are_measured_alone() -> None:
    labels = torch.arange(20) % 4
    features = torch.randn(2, 3, 20, 5, generator=torch.Generator().manual_seed(0))
    for measure in (cdnv, directional_cdnv):
        together = measure(features, labels)
        assert together.shape == (2, 3)
        assert torch.equal(together[1, 2], measure(features[1, 2], labels))
        assert_close(measure(features + 5, labels), together, rtol=1e-4, atol=0)


def test_refuses_a_single_class_and_labels_that_do_not_fit() -> None:
    x = torch.ones(4, 2)
    with pytest.raises(EmbeddingShapeError, match="at least 2 classes, got 1"):
        cdnv(x, torch.full((4,), 7))
    with pytest.raises(EmbeddingShapeError, match="each of 4 rows"):
        directional_cdnv(x, torch.arange(3))
    with pytest.raises(NonFiniteEmbeddingError, match="8 of 8"):
        cdnv(x * math.inf, torch.arange(4))
