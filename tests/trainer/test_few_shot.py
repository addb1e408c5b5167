"""Few-shot accuracy: draws of a few samples, class centres, averages."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from trainer.collapse.errors import EmbeddingShapeError
from trainer.few_shot import draw_shots, few_shot_accuracy
from trainer.probes import nccc_accuracy

LABELS = torch.tensor([0] * 7 + [2] * 3 + [5] * 12)


def clouds(spread: float, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(len(LABELS), 4, generator=generator, dtype=torch.float64)
    return torch.nn.functional.one_hot(LABELS, 6)[:, [0, 2, 5, 1]] + spread * noise


@settings(max_examples=30, deadline=None)
@given(shots=st.integers(1, 14), seed=st.integers(0, 99), episode=st.integers(0, 5))
def test_an_episode_takes_so_many_of_every_class_or_all_there_are(
    shots: int, seed: int, episode: int
) -> None:
    rows = draw_shots(LABELS, shots, seed, episode)
    counts = LABELS[rows].bincount(minlength=6).tolist()
    assert counts == [min(shots, size) for size in LABELS.bincount(minlength=6).tolist()]
    assert rows.tolist() == sorted(set(rows.tolist()))
    assert torch.equal(rows, draw_shots(LABELS, shots, seed, episode))


def test_episodes_and_seeds_draw_anew() -> None:
    draws = {tuple(draw_shots(LABELS, 2, seed, e).tolist()) for seed in (0, 1) for e in range(5)}
    assert len(draws) > 5


def test_it_is_the_mean_of_the_episodes_own_accuracies() -> None:
    train, test = clouds(0.6), clouds(0.6, seed=1)
    rows = [draw_shots(LABELS, 2, 3, episode) for episode in range(4)]
    own = [float(nccc_accuracy(train[r], LABELS[r], test, LABELS)) for r in rows]
    found = few_shot_accuracy(train, LABELS, test, LABELS, shots=2, seed=3, episodes=4)
    assert float(found) == pytest.approx(sum(own) / 4)
    assert 0.4 < float(found) < 1.0


def test_with_all_samples_every_episode_is_the_nearest_class_centre() -> None:
    train, test = clouds(0.6), clouds(0.6, seed=1)
    found = few_shot_accuracy(train, LABELS, test, LABELS, shots=12, seed=0, episodes=3)
    assert float(found) == pytest.approx(float(nccc_accuracy(train, LABELS, test, LABELS)))


def test_separate_classes_need_one_sample_each() -> None:
    found = few_shot_accuracy(clouds(0.0), LABELS, clouds(0.01), LABELS, shots=1, seed=0)
    assert float(found) == 1.0


@pytest.mark.parametrize("wrong", [{"shots": 0}, {"shots": 1, "episodes": 0}])
def test_nothing_to_draw_is_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(EmbeddingShapeError, match="shots and episodes >= 1"):
        few_shot_accuracy(clouds(0.1), LABELS, clouds(0.1), LABELS, seed=0, **wrong)
