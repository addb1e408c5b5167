"""Rows of token ids: which places are words, how wide a batch has to be, the mean over words.

A row holds ids as floats (exact below 2**24), 0 after the caption's end. The first place always
counts, so that a caption without tokens is one padding token and not a division by zero.

Shape legend: N = captions, L = places of a row, l = places that the batch needs, C = features.
"""

import torch
from torch import Tensor


def cut_padding(rows_NL: Tensor) -> tuple[Tensor, Tensor]:
    """Return ids (int64) and what of them counts (bool), (N, l), without the places nobody uses."""
    ids_NL = rows_NL.long()
    counts_NL = ids_NL > 0
    counts_NL[:, 0] = True
    places = torch.arange(1, counts_NL.shape[1] + 1, device=counts_NL.device)
    longest = int((counts_NL * places).amax())
    return ids_NL[:, :longest], counts_NL[:, :longest]


def mean_of_words(tokens_NLC: Tensor, counts_NL: Tensor) -> Tensor:
    """Return the mean of the tokens that count, (N, C)."""
    weights_NL1 = counts_NL[:, :, None].to(tokens_NLC.dtype)
    return (tokens_NLC * weights_NL1).sum(dim=1) / weights_NL1.sum(dim=1)
