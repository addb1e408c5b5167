"""Scores of one audio-text member: naive rankings per language, closed forms, ties, refusals."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.functional import normalize

from trainer.collapse.errors import EmbeddingShapeError
from trainer.pair_scores import retrieval_measures, zero_shot_measures

LANGUAGES = ("en", "de", "zh")
NAMES = {
    f"{direction}_{score}"
    for direction in ("text_to_audio", "audio_to_text")
    for score in ("recall_at_1", "recall_at_5", "recall_at_10", "map_at_10")
}


def random_rows(*shape: int, seed: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def unit(rows: Tensor) -> Tensor:
    return normalize(rows, dim=1)


def rank_of_clip(text: Tensor, audio: Tensor, clip: int) -> int:
    cosines = [float(c) for c in unit(audio) @ (text / text.norm())]
    return 1 + sum(c >= cosines[clip] for i, c in enumerate(cosines) if i != clip)


def best_rank_of_captions(audio: Tensor, text: Tensor, own: list[int]) -> int:
    cosines = [float(c) for c in unit(text) @ (audio / audio.norm())]
    best = max(cosines[i] for i in own)
    return 1 + sum(c >= best for i, c in enumerate(cosines) if i not in own)


@settings(max_examples=25, deadline=None)
@given(clips=st.integers(2, 12), captions=st.integers(1, 30), seed=st.integers(0, 2**16))
def test_agrees_with_a_naive_ranking_of_each_language(clips: int, captions: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    audio, text = random_rows(clips, 5, seed=seed), random_rows(captions, 5, seed=seed + 1)
    clip_T = torch.randint(clips, (captions,), generator=generator)
    language_T = torch.randint(3, (captions,), generator=generator)
    found = retrieval_measures(audio, text, clip_T, language_T, LANGUAGES)
    recalls: dict[str, list[float]] = {}
    depths = {depth: [0.0, 0.0] for depth in (1, 5, 10)}
    heard = [(p, name) for p, name in enumerate(LANGUAGES) if (language_T == p).any()]
    for position, name in heard:
        rows = [t for t in range(captions) if language_T[t] == position]
        forth = [rank_of_clip(text[t], audio, int(clip_T[t])) for t in rows]
        own = {c: [i for i, t in enumerate(rows) if clip_T[t] == c] for c in range(clips)}
        back = [best_rank_of_captions(audio[c], text[rows], i) for c, i in own.items() if i]
        for depth, sums in depths.items():
            sums[0] += sum(rank <= depth for rank in forth) / len(forth) / len(heard)
            sums[1] += sum(rank <= depth for rank in back) / len(back) / len(heard)
        recalls[name] = [sum(rank == 1 for rank in side) / len(side) for side in (forth, back)]
    for depth, (forth_mean, back_mean) in depths.items():
        assert found[f"text_to_audio_recall_at_{depth}"] == pytest.approx(forth_mean)
        assert found[f"audio_to_text_recall_at_{depth}"] == pytest.approx(back_mean)
    assert found["recall_at_1"] == pytest.approx(sum(depths[1]) / 2)
    if len(heard) > 1:
        for name, sides in recalls.items():
            assert found[f"recall_at_1_{name}"] == pytest.approx(sum(sides) / 2)


def test_a_language_is_not_disturbed_by_the_captions_of_another() -> None:
    # German captions name the wrong clips; the English ones are right, whatever stands beside.
    audio = torch.eye(3)
    text = torch.cat([audio, audio.roll(1, 0)])
    clip, language = torch.arange(3).repeat(2), torch.arange(2).repeat_interleave(3)
    found = retrieval_measures(audio, text, clip, language, ("en", "de"))
    assert found["recall_at_1_en"] == 1.0
    assert found["recall_at_1_de"] == 0.0
    assert found["recall_at_1"] == found["text_to_audio_recall_at_1"] == 0.5


def test_perfect_embeddings_score_one_in_everything_and_one_language_is_not_repeated() -> None:
    audio = torch.eye(4)
    clips = torch.arange(4).repeat(2)
    found = retrieval_measures(audio, audio.repeat(2, 1), clips, 0 * clips, ("en",))
    assert found.keys() == NAMES | {"recall_at_1"}
    assert set(found.values()) == {1.0}


def test_a_clip_has_the_rank_of_its_best_caption() -> None:
    audio = torch.eye(2)
    text = torch.stack([audio[0], audio[1], audio[1]])  # the second caption of clip 0 is wrong
    found = retrieval_measures(
        audio, 1.0 * text, torch.tensor([0, 0, 1]), torch.zeros(3, dtype=torch.int64), ("en",)
    )
    assert found["text_to_audio_recall_at_1"] == pytest.approx(2 / 3)
    assert found["audio_to_text_recall_at_1"] == pytest.approx(1 / 2)  # clip 1 ties with it


def test_a_collapsed_member_retrieves_nothing() -> None:
    ones = torch.ones(6, 3)
    found = retrieval_measures(ones, ones, torch.arange(6), torch.zeros(6).long(), ("en",))
    assert found["recall_at_1"] == 0.0


@pytest.mark.parametrize("poison", [math.nan, math.inf])
def test_a_diverged_member_and_no_captions_give_nothing(poison: float) -> None:
    audio, clips = torch.eye(3), torch.arange(3)
    broken = audio.clone()
    broken[1, 1] = poison
    assert retrieval_measures(broken, audio, clips, 0 * clips, ("en",)) == {}
    assert retrieval_measures(audio, broken, clips, 0 * clips, ("en",)) == {}
    assert retrieval_measures(audio, audio[:0], clips[:0], clips[:0], ("en",)) == {}
    assert zero_shot_measures(broken, {"en": audio}, clips) == {}
    assert zero_shot_measures(audio, {"en": broken}, clips) == {}


def test_languages_that_nobody_named_are_refused() -> None:
    audio, clips = torch.eye(3), torch.arange(3)
    with pytest.raises(EmbeddingShapeError, match=r"language in \[0, 2\).* from 0 to 2"):
        retrieval_measures(audio, audio, clips, clips, ("en", "de"))
    with pytest.raises(EmbeddingShapeError, match=r"one int64 language for each of 3 rows"):
        retrieval_measures(audio, audio, clips, clips[:2], ("en",))


@settings(max_examples=25, deadline=None)
@given(clips=st.integers(1, 12), classes=st.integers(2, 6), seed=st.integers(0, 2**16))
def test_zero_shot_agrees_with_a_loop(clips: int, classes: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    audio = random_rows(clips, 4, seed=seed)
    prompts = {name: random_rows(classes, 4, seed=seed + i) for i, name in enumerate("ab", 1)}
    labels = torch.randint(-1, classes, (clips,), generator=generator)
    known = [i for i in range(clips) if labels[i] >= 0]
    expected = {}
    for name, rows in prompts.items():
        hits = [int((unit(rows) @ audio[i]).argmax()) == int(labels[i]) for i in known]
        expected[f"zero_shot_accuracy_{name}"] = sum(hits) / max(len(hits), 1)
    expected["zero_shot_accuracy"] = sum(expected.values()) / 2
    found = zero_shot_measures(audio, prompts, labels)
    assert found == pytest.approx(expected if known else {})


def test_zero_shot_ties_count_against_the_model_and_scale_does_not_matter() -> None:
    audio = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    prompts = torch.tensor([[7.0, 0.0], [0.0, 0.1]])
    assert zero_shot_measures(audio, {"en": prompts}, torch.tensor([0, 1, 0])) == {
        "zero_shot_accuracy": pytest.approx(2 / 3)
    }
    assert zero_shot_measures(
        torch.ones(3, 2), {"en": torch.ones(2, 2)}, torch.zeros(3).long()
    ) == {"zero_shot_accuracy": 0.0}


def test_zero_shot_leaves_clips_without_a_class_out() -> None:
    audio = torch.eye(3)
    found = zero_shot_measures(audio, {"en": audio[:2]}, torch.tensor([0, -1, -1]))
    assert found == {"zero_shot_accuracy": 1.0}
    assert zero_shot_measures(audio, {"en": audio}, torch.full((3,), -1)) == {}
    assert zero_shot_measures(audio, {}, torch.arange(3)) == {}


def test_zero_shot_refuses_what_does_not_fit() -> None:
    audio = torch.eye(3)
    with pytest.raises(EmbeddingShapeError, match=r"same dimension, got 3 and 2"):
        zero_shot_measures(audio, {"en": torch.eye(2)}, torch.tensor([0, 1, 0]))
    with pytest.raises(EmbeddingShapeError, match=r"class in \[0, 2\) .* from 0 to 2"):
        zero_shot_measures(audio, {"en": audio[:2]}, torch.arange(3))
    with pytest.raises(EmbeddingShapeError, match=r"one label for each of 3 clips, got \(2,\)"):
        zero_shot_measures(audio, {"en": audio}, torch.arange(2))
