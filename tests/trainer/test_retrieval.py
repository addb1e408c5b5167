"""Retrieval: a naive ranking, sklearn's average precision, closed forms, ties, refusals."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score
from torch import Tensor

from trainer.collapse.errors import EmbeddingShapeError, NonFiniteEmbeddingError
from trainer.retrieval import CHUNK_CAPTIONS, RetrievalScores, measure_retrieval

DEPTHS = (1, 5, 10)
SCORES = ("recall_at_1", "recall_at_5", "recall_at_10", "map_at_10")


def random_embeddings(*shape: int, seed: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def naive_scores(similarities: list[list[float]], relevant: list[set[int]]) -> list[float]:
    """Sort each query's candidates, wrong ones first within a tie, and walk down the list."""
    totals = [0.0] * 4
    for row, wanted in zip(similarities, relevant, strict=True):
        ranked = sorted(range(len(row)), key=lambda j: (-row[j], j in wanted))
        hits = [j in wanted for j in ranked]
        for slot, depth in enumerate(DEPTHS):
            totals[slot] += any(hits[:depth])
        precisions = [sum(hits[: k + 1]) / (k + 1) for k in range(min(10, len(hits))) if hits[k]]
        totals[3] += sum(precisions) / min(10, len(wanted))
    return [total / len(relevant) for total in totals]


def values(scores: RetrievalScores) -> list[float]:
    return [getattr(scores, name).item() for name in SCORES]


@settings(max_examples=40, deadline=None)
@given(
    clips=st.integers(1, 14),
    captions=st.integers(1, 40),
    d=st.integers(1, 4),
    coarse=st.booleans(),
    seed=st.integers(0, 2**16),
)
def test_agrees_with_a_naive_ranking_ties_and_clips_without_captions_included(
    clips: int, captions: int, d: int, coarse: bool, seed: int
) -> None:
    audio, text = (
        random_embeddings(clips, d, seed=seed),
        random_embeddings(captions, d, seed=seed + 1),
    )
    if coarse:  # few distinct directions, so many exact ties
        audio, text = audio.sign(), text.sign()
    generator = torch.Generator().manual_seed(seed)
    clip_of = torch.randint(clips, (captions,), generator=generator)
    units = [z / z.norm(dim=1, keepdim=True) for z in (text, audio)]
    similarity = (units[0] @ units[1].mT).float()
    queries = sorted(set(clip_of.tolist()))
    result = measure_retrieval(audio, text, clip_of)
    assert values(result.text_to_audio) == pytest.approx(
        naive_scores(similarity.tolist(), [{clip} for clip in clip_of.tolist()])
    )
    assert values(result.audio_to_text) == pytest.approx(
        naive_scores(
            similarity.mT[queries].tolist(),
            [{j for j, clip in enumerate(clip_of.tolist()) if clip == q} for q in queries],
        )
    )


def test_average_precision_agrees_with_sklearn_when_all_captions_fit_in_ten() -> None:
    audio, text = random_embeddings(3, 6, seed=0), random_embeddings(9, 6, seed=1)
    clip_of = torch.tensor([0, 1, 2, 0, 0, 1, 2, 2, 2])
    similarity = (
        torch.nn.functional.normalize(text, dim=1) @ torch.nn.functional.normalize(audio, dim=1).mT
    )
    expected = [
        average_precision_score((clip_of == clip).numpy(), similarity[:, clip].numpy())
        for clip in range(3)
    ]
    result = measure_retrieval(audio, text, clip_of)
    assert result.audio_to_text.map_at_10.item() == pytest.approx(sum(expected) / 3)


def test_a_clip_is_found_through_the_best_of_its_captions() -> None:
    audio = torch.eye(3)
    text = torch.tensor([[1.0, 0.1, 0.0], [0.0, 1.0, 0.9], [0.0, 0.8, 1.0], [0.1, 0.0, 1.0]])
    result = measure_retrieval(audio, text, torch.tensor([0, 0, 1, 2]))
    # Clip 0 through its first caption, clip 1 second behind clip 0's other one, clip 2 first.
    assert result.audio_to_text.recall_at_1.item() == pytest.approx(2 / 3)
    # Captions: 0 right, 1 ranks its clip last, 2 second, 3 right.
    assert result.text_to_audio.recall_at_1.item() == pytest.approx(0.5)
    assert result.text_to_audio.map_at_10.item() == pytest.approx((1 + 1 / 3 + 1 / 2 + 1) / 4)


def test_perfect_embeddings_score_one_and_collapsed_ones_zero() -> None:
    pairs = torch.arange(30)
    perfect = measure_retrieval(torch.eye(30), torch.eye(30), pairs)
    assert values(perfect.text_to_audio) == values(perfect.audio_to_text) == [1.0] * 4
    direction = random_embeddings(1, 30, seed=0).float().expand(30, 30)
    for audio in (direction, torch.zeros(30, 30)):
        collapsed = measure_retrieval(audio, direction, pairs)
        assert values(collapsed.text_to_audio) == values(collapsed.audio_to_text) == [0.0] * 4


def test_more_captions_than_a_chunk_give_the_same_ranks() -> None:
    captions = CHUNK_CAPTIONS + 70
    clip_of = torch.arange(captions) % 40
    audio, text = random_embeddings(40, 8, seed=0), random_embeddings(captions, 8, seed=1)
    text += 1.5 * audio[clip_of]
    order = torch.randperm(captions, generator=torch.Generator().manual_seed(0))
    result = measure_retrieval(audio, text, clip_of)
    shuffled = measure_retrieval(audio, text[order], clip_of[order])
    assert values(shuffled.audio_to_text) == pytest.approx(values(result.audio_to_text))
    assert values(shuffled.text_to_audio) == pytest.approx(values(result.text_to_audio))
    assert 0.2 < result.text_to_audio.recall_at_1.item() < 1


def test_members_may_share_one_side_and_are_scored_alone() -> None:
    audio, text = random_embeddings(2, 3, 12, 5, seed=0), random_embeddings(12, 5, seed=1)
    result = measure_retrieval(audio, text, torch.arange(12))
    assert result.text_to_audio.recall_at_1.shape == (2, 3)
    alone = measure_retrieval(audio[1, 2], text, torch.arange(12))
    for direction in ("text_to_audio", "audio_to_text"):
        together = getattr(result, direction)
        assert [getattr(together, name)[1, 2].item() for name in SCORES] == values(
            getattr(alone, direction)
        )


def test_refuses_captions_that_name_no_clip() -> None:
    audio, text = torch.ones(3, 2), torch.ones(4, 2)
    with pytest.raises(EmbeddingShapeError, match=r"in \[0, 3\), got values from 0 to 3"):
        measure_retrieval(audio, text, torch.arange(4))
    with pytest.raises(EmbeddingShapeError, match="one int64 clip index for each of 4 captions"):
        measure_retrieval(audio, text, torch.arange(3))
    with pytest.raises(EmbeddingShapeError, match="one int64 clip index"):
        measure_retrieval(audio, text, torch.zeros(4))
    with pytest.raises(EmbeddingShapeError, match="same dimension, got 2 and 1"):
        measure_retrieval(audio, text[:, :1], torch.zeros(4, dtype=torch.int64))
    with pytest.raises(NonFiniteEmbeddingError, match="6 of 6"):
        measure_retrieval(audio * math.inf, text, torch.zeros(4, dtype=torch.int64))
