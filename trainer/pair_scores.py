"""How well one member's embeddings of clips and captions find each other, per language.

Shape legend: C = clips, T = captions, K = classes, D = dimension, L = captions of one language.
"""

from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean

import torch
from torch import Tensor

from trainer.collapse.errors import EmbeddingShapeError
from trainer.collapse.rows import check_embeddings, normalize_rows
from trainer.retrieval import RetrievalScores, measure_retrieval

_SCORES = ("recall_at_1", "recall_at_5", "recall_at_10", "map_at_10")
_DIRECTIONS = ("text_to_audio", "audio_to_text")


def retrieval_measures(
    audio_CD: Tensor,
    text_TD: Tensor,
    clip_T: Tensor,
    language_T: Tensor,
    languages: Sequence[str],
) -> dict[str, float]:
    """Return recalls and mAP of one member, averaged over languages.

    A language's captions are taken alone, against all clips; the rank of a clip is the best of
    its captions in that language (:mod:`trainer.retrieval`). A language without captions here
    does not count.

    Args:
        audio_CD: Clip embeddings [C, D], any scale.
        text_TD: Caption embeddings [T, D], any scale.
        clip_T: Index in [0, C) of the clip that each caption describes, int64.
        language_T: Position in ``languages`` of each caption's language, int64.
        languages: Their names.

    Returns:
        ``text_to_audio_recall_at_1``, ``..._5``, ``..._10`` and ``text_to_audio_map_at_10``, the
        same for ``audio_to_text``, ``recall_at_1`` (mean of both directions and all languages),
        and of several languages ``recall_at_1_<language>`` (mean of both directions); all in
        [0, 1]. {} where an embedding is not finite, or there is no caption.

    Raises:
        EmbeddingShapeError: If shapes do not fit, or an index names no clip or no language.

    References:
        Luo et al., "SupCLAP", arXiv:2509.21033 (R@k and mAP@10, per language).
    """
    _check_positions(language_T, len(text_TD), len(languages), "language")
    if not (len(text_TD) and audio_CD.isfinite().all() and text_TD.isfinite().all()):
        return {}
    scores = {}
    for position, language in enumerate(languages):
        is_own_T = language_T == position
        if is_own_T.any():
            scores[language] = _score(audio_CD, text_TD[is_own_T], clip_T[is_own_T])
    measures = {name: fmean(own[name] for own in scores.values()) for name in _score_names()}
    recalls = {language: _both_directions(own) for language, own in scores.items()}
    return measures | _mean_and_each("recall_at_1", recalls)


def zero_shot_measures(
    audio_CD: Tensor, prompts_by_language: Mapping[str, Tensor], labels_C: Tensor
) -> dict[str, float]:
    """Return how often the prompt nearest to a clip, by cosine, is that of its class.

    Cosines are compared at float32 resolution, and a tie with another class counts against the
    model.

    Args:
        audio_CD: Clip embeddings [C, D], any scale.
        prompts_by_language: By language, the embedded prompt of each class [K, D].
        labels_C: Class of each clip in [0, K), int64; clips without one, or with several, are -1
            and left out.

    Returns:
        ``zero_shot_accuracy``, the mean over languages, and of several languages
        ``zero_shot_accuracy_<language>``. {} where an embedding is not finite, or no clip has a
        class, or there is no language.

    Raises:
        EmbeddingShapeError: If shapes do not fit, or a label is no class.

    References:
        Radford et al., "CLIP", arXiv:2103.00020, section 3.1; on sounds: Luo et al.,
        "SupCLAP", arXiv:2509.21033.
    """
    if labels_C.shape != audio_CD.shape[:1]:
        raise EmbeddingShapeError(
            f"expected one label for each of {len(audio_CD)} clips, got {tuple(labels_C.shape)}"
        )
    known_C = labels_C != -1
    every = [audio_CD, *prompts_by_language.values()]
    if not known_C.any() or not all(bool(each.isfinite().all()) for each in every):
        return {}
    accuracies = {
        language: _nearest_accuracy(audio_CD[known_C], prompts_KD, labels_C[known_C])
        for language, prompts_KD in prompts_by_language.items()
    }
    return _mean_and_each("zero_shot_accuracy", accuracies)


def _score(audio_CD: Tensor, text_LD: Tensor, clip_L: Tensor) -> dict[str, float]:
    found = measure_retrieval(audio_CD, text_LD, clip_L)
    directions: Iterable[RetrievalScores] = (found.text_to_audio, found.audio_to_text)
    values = [float(getattr(scores, name)) for scores in directions for name in _SCORES]
    return dict(zip(_score_names(), values, strict=True))


def _score_names() -> list[str]:
    return [f"{direction}_{name}" for direction in _DIRECTIONS for name in _SCORES]


def _both_directions(scores: Mapping[str, float]) -> float:
    return fmean(scores[f"{direction}_recall_at_1"] for direction in _DIRECTIONS)


def _mean_and_each(name: str, by_language: Mapping[str, float]) -> dict[str, float]:
    """Return the mean under ``name``, and each language's own where there are several."""
    if not by_language:
        return {}
    measures = {name: fmean(by_language.values())}
    if len(by_language) > 1:
        measures |= {f"{name}_{language}": value for language, value in by_language.items()}
    return measures


def _nearest_accuracy(audio_CD: Tensor, prompts_KD: Tensor, labels_C: Tensor) -> float:
    check_embeddings(audio_CD)
    check_embeddings(prompts_KD)
    if audio_CD.shape[1] != prompts_KD.shape[1]:
        raise EmbeddingShapeError(
            f"clips and prompts need the same dimension, got {audio_CD.shape[1]} and "
            f"{prompts_KD.shape[1]}"
        )
    _check_positions(labels_C, len(audio_CD), len(prompts_KD), "class")
    cosine_CK = (normalize_rows(audio_CD) @ normalize_rows(prompts_KD).mT).float()
    own_C1 = cosine_CK.gather(1, labels_C[:, None])
    # The own prompt is among those at least as near, so nothing else is where there is one.
    return float(((cosine_CK >= own_C1).sum(dim=1) == 1).double().mean())


def _check_positions(positions: Tensor, rows: int, count: int, what: str) -> None:
    if positions.shape != (rows,) or positions.dtype != torch.int64:
        raise EmbeddingShapeError(
            f"expected one int64 {what} for each of {rows} rows, got {positions.dtype} of shape "
            f"{tuple(positions.shape)}"
        )
    if rows and not ((positions >= 0) & (positions < count)).all():
        raise EmbeddingShapeError(
            f"expected a {what} in [0, {count}) for each row, got values from "
            f"{int(positions.min())} to {int(positions.max())}"
        )
