"""Cross-modal retrieval: R@1/5/10 and mAP@10 in both directions, several captions per clip.

Text to audio: each caption seeks its one clip. Audio to text: each clip seeks its captions,
and its rank is the best among them. Cosines are compared at float32 resolution, and a tie with a
wrong candidate counts against the model, so a collapsed one, to which all candidates are
equal, retrieves nothing.

Shape legend: M = members (any number of leading dimensions), C = clips, T = captions,
D = dimension, P = captions of a chunk.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from trainer.collapse.errors import EmbeddingShapeError
from trainer.collapse.members import iterate_members, leading_shape
from trainer.collapse.rows import check_embeddings, normalize_rows

AP_DEPTH = 10
CHUNK_CAPTIONS = 1024


@dataclass(frozen=True, slots=True)
class RetrievalScores:
    """Scores of one direction; every tensor has the member shape [...], float64, in [0, 1].

    Attributes:
        recall_at_1: Share of queries whose best relevant candidate is ranked first.
        recall_at_5: The same among the first 5.
        recall_at_10: The same among the first 10.
        map_at_10: Mean average precision over the first 10 ranks: the sum of the precision at
            each relevant one, divided by the number of relevant candidates or 10 if fewer.
    """

    recall_at_1: Tensor
    recall_at_5: Tensor
    recall_at_10: Tensor
    map_at_10: Tensor


@dataclass(frozen=True, slots=True)
class Retrieval:
    """Scores of both directions."""

    text_to_audio: RetrievalScores
    audio_to_text: RetrievalScores


def measure_retrieval(audio_MCD: Tensor, text_MTD: Tensor, clip_of_caption_T: Tensor) -> Retrieval:
    """Rank by cosine similarity in both directions.

    Args:
        audio_MCD: Clip embeddings [..., C, D], any scale.
        text_MTD: Caption embeddings [..., T, D], any scale.
        clip_of_caption_T: Index in [0, C) of the clip that each caption describes, integer
            [T]; ``torch.arange(C)`` for plain pairs. A clip without captions is a candidate
            for captions, but no query.

    Returns:
        The scores of each member. A member's are the same whatever else is in the stack.

    Raises:
        EmbeddingShapeError: If dimensions differ, or ``clip_of_caption_T`` does not name a
            clip for each caption.
        NonFiniteEmbeddingError: If any entry is NaN or infinite.

    References:
        Luo et al., "SupCLAP", arXiv:2509.21033, Table 1 (R@k, mAP@10 on AudioCaps, Clotho).
    """
    _check(audio_MCD, text_MTD, clip_of_caption_T)
    to_audio, to_text = [], []
    for audio_CD, text_TD in iterate_members(audio_MCD, text_MTD):
        similarity_TC = _similarity(text_TD, audio_CD)
        to_audio.append(_score_captions(similarity_TC, clip_of_caption_T))
        to_text.append(_score_clips(similarity_TC, clip_of_caption_T))
    leading = leading_shape(audio_MCD, text_MTD)
    return Retrieval(
        text_to_audio=_stack(to_audio, leading), audio_to_text=_stack(to_text, leading)
    )


def _similarity(text_TD: Tensor, audio_CD: Tensor) -> Tensor:
    """Return cosines [T, C] rounded to float32, so that ties survive the round-off of a product."""
    return (normalize_rows(text_TD) @ normalize_rows(audio_CD).mT).float()


def _score_captions(similarity_TC: Tensor, clip_of_caption_T: Tensor) -> Tensor:
    own_T1 = similarity_TC.gather(1, clip_of_caption_T.unsqueeze(1))
    # The clip itself is among those at least as similar, so this is its rank from 1.
    rank_T = (similarity_TC >= own_T1).sum(dim=1).double()
    precision_T = torch.where(rank_T <= AP_DEPTH, 1 / rank_T, 0.0)
    return _summarize(rank_T, precision_T)


def _score_clips(similarity_TC: Tensor, clip_of_caption_T: Tensor) -> Tensor:
    wrong_T, ahead_T = _count_ahead(similarity_TC, clip_of_caption_T)
    rank_T = (wrong_T + ahead_T + 1).double()
    precision_T = torch.where(rank_T <= AP_DEPTH, (ahead_T + 1) / rank_T, 0.0)
    captions_C = clip_of_caption_T.bincount(minlength=similarity_TC.shape[1])
    empty_C = torch.zeros(len(captions_C), dtype=torch.float64, device=rank_T.device)
    best_C = empty_C.scatter_reduce(0, clip_of_caption_T, rank_T, "amin", include_self=False)
    precision_C = empty_C.scatter_add(0, clip_of_caption_T, precision_T)
    is_query_C = captions_C > 0
    average_C = precision_C / captions_C.clamp(min=1, max=AP_DEPTH)
    return _summarize(best_C[is_query_C], average_C[is_query_C])


def _count_ahead(similarity_TC: Tensor, clip_of_caption_T: Tensor) -> tuple[Tensor, Tensor]:
    """For each caption as a candidate of its clip, count the captions ahead of it, [T] each.

    Wrong captions are ahead if at least as similar; captions of the same clip if more
    similar, or equally and of a smaller index.
    """
    index_T = torch.arange(len(clip_of_caption_T), device=similarity_TC.device)
    wrong, ahead = [], []
    for start in range(0, len(index_T), CHUNK_CAPTIONS):
        index_P = index_T[start : start + CHUNK_CAPTIONS]
        clip_P = clip_of_caption_T[index_P]
        candidates_PT = similarity_TC[:, clip_P].mT
        own_P1 = similarity_TC[index_P, clip_P].unsqueeze(1)
        is_mate_PT = clip_of_caption_T == clip_P.unsqueeze(1)
        is_earlier_PT = index_T < index_P.unsqueeze(1)
        is_tie_PT = candidates_PT == own_P1
        is_above_PT = candidates_PT > own_P1
        wrong.append(((is_above_PT | is_tie_PT) & ~is_mate_PT).sum(dim=1))
        ahead.append(((is_above_PT | (is_tie_PT & is_earlier_PT)) & is_mate_PT).sum(dim=1))
    return torch.cat(wrong), torch.cat(ahead)


def _summarize(rank_Q: Tensor, average_precision_Q: Tensor) -> Tensor:
    recalls = [(rank_Q <= depth).double().mean() for depth in (1, 5, 10)]
    return torch.stack([*recalls, average_precision_Q.mean()])


def _stack(members: list[Tensor], leading: torch.Size) -> RetrievalScores:
    scores_4M = torch.stack(members, dim=1).reshape((4, *leading))
    return RetrievalScores(*scores_4M.unbind(dim=0))


def _check(audio_MCD: Tensor, text_MTD: Tensor, clip_of_caption_T: Tensor) -> None:
    check_embeddings(audio_MCD)
    check_embeddings(text_MTD)
    if audio_MCD.shape[-1] != text_MTD.shape[-1]:
        raise EmbeddingShapeError(
            f"audio and text need the same dimension, got {audio_MCD.shape[-1]} and "
            f"{text_MTD.shape[-1]}"
        )
    clips, captions = audio_MCD.shape[-2], text_MTD.shape[-2]
    if clip_of_caption_T.shape != (captions,) or clip_of_caption_T.dtype != torch.int64:
        raise EmbeddingShapeError(
            f"clip_of_caption_T must hold one int64 clip index for each of {captions} captions, "
            f"got {clip_of_caption_T.dtype} of shape {tuple(clip_of_caption_T.shape)}"
        )
    if not ((clip_of_caption_T >= 0) & (clip_of_caption_T < clips)).all():
        raise EmbeddingShapeError(
            f"clip_of_caption_T must lie in [0, {clips}), got values from "
            f"{int(clip_of_caption_T.min())} to {int(clip_of_caption_T.max())}"
        )
