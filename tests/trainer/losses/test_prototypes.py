"""Prototypes: their geometry, their seed, and what does not fit into D dimensions."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.testing import assert_close

from trainer.errors import PrototypeCountError
from trainer.losses.prototypes import (
    draw_degraded,
    draw_orthonormal,
    draw_random,
    draw_simplex,
)

seeds = st.integers(0, 2**31)


@settings(max_examples=25, deadline=None)
@given(classes=st.integers(1, 12), spare=st.integers(0, 20), seed=seeds)
def test_orthonormal_prototypes_have_the_identity_as_gram_matrix(
    classes: int, spare: int, seed: int
) -> None:
    prototypes = draw_orthonormal(classes, classes + spare, seed)
    identity = torch.eye(classes, dtype=torch.float64)
    assert_close(prototypes @ prototypes.mT, identity, rtol=0, atol=1e-12)


@settings(max_examples=25, deadline=None)
@given(classes=st.integers(2, 12), spare=st.integers(-1, 20), seed=seeds)
def test_simplex_prototypes_are_unit_vectors_at_equal_obtuse_angles(
    classes: int, spare: int, seed: int
) -> None:
    gram = (
        draw_simplex(classes, classes + spare, seed)
        @ draw_simplex(classes, classes + spare, seed).mT
    )
    expected = torch.full((classes, classes), -1 / (classes - 1), dtype=torch.float64)
    assert_close(gram, expected.fill_diagonal_(1.0), rtol=0, atol=1e-12)


@settings(max_examples=25, deadline=None)
@given(
    classes=st.integers(1, 8),
    spare=st.integers(1, 8),
    angle_degrees=st.floats(0, 90),
    seed=seeds,
)
def test_degraded_prototypes_are_turned_by_exactly_the_angle(
    classes: int, spare: int, angle_degrees: float, seed: int
) -> None:
    start = draw_orthonormal(classes, classes + spare, seed)
    turned = draw_degraded(classes, classes + spare, seed, angle_degrees)
    cosines = torch.full((classes,), math.cos(math.radians(angle_degrees)), dtype=torch.float64)
    assert_close((start * turned).sum(dim=-1), cosines, rtol=0, atol=1e-12)
    assert_close(turned.norm(dim=-1), torch.ones_like(cosines), rtol=0, atol=1e-12)


def test_random_prototypes_are_unit_vectors_in_general_position() -> None:
    prototypes = draw_random(50, 8, seed=0)
    assert_close(prototypes.norm(dim=-1), torch.ones(50, dtype=torch.float64))
    # Uniform on the sphere: the mean squared inner product of two of them is 1 / D.
    gram = prototypes @ prototypes.mT
    off_diagonal = gram[~torch.eye(50, dtype=torch.bool)]
    assert off_diagonal.square().mean().item() == pytest.approx(1 / 8, rel=0.15)


def test_the_seed_alone_decides_whatever_else_was_drawn() -> None:
    first = draw_orthonormal(3, 5, seed=7)
    torch.randn(100)
    assert torch.equal(first, draw_orthonormal(3, 5, seed=7))
    assert not torch.equal(first, draw_orthonormal(3, 5, seed=8))
    assert torch.equal(draw_degraded(3, 5, 7, 0.0), first)


def test_a_single_class_has_one_prototype_of_any_kind() -> None:
    for prototypes in (draw_orthonormal(1, 4, 0), draw_simplex(1, 4, 0), draw_random(1, 4, 0)):
        assert prototypes.shape == (1, 4)
        assert prototypes.norm().item() == pytest.approx(1.0)


def test_too_many_classes_for_the_dimension_are_refused_with_both_numbers() -> None:
    with pytest.raises(PrototypeCountError, match=r"10 orthonormal .* at least 10, but it is 8"):
        draw_orthonormal(10, 8, seed=0)
    with pytest.raises(PrototypeCountError, match=r"10 orthonormal .* at least 10, but it is 8"):
        draw_degraded(10, 8, 0, 10.0)
    with pytest.raises(PrototypeCountError, match=r"10 simplex .* at least 9, but it is 8"):
        draw_simplex(10, 8, seed=0)


def test_nothing_can_be_turned_in_one_dimension() -> None:
    with pytest.raises(ValueError, match=r"dimension of 2 or more, got 1"):
        draw_degraded(1, 1, 0, 10.0)
