"""Captions as hashed words: features without a network and without a vocabulary.

Shape legend: T = captions, H = buckets.

References:
    Weinberger et al. 2009, arXiv:0902.2206 (hashing with signs).
"""

import hashlib
from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from trainer.data.text.words import split_words

_JOINT = "\n"
"""Between the words of a pair; no word holds it."""


def hash_words(captions: Sequence[str], buckets: int) -> Tensor:
    """Return signed counts of words and of pairs of neighbouring words, (T, H), float32.

    Rows are of length 1; a caption without words is a row of zeros. The same on every machine.
    """
    counts_TH = np.zeros((len(captions), buckets))
    for row_H, caption in zip(counts_TH, captions, strict=True):
        words = split_words(caption)
        for term in (*words, *(_JOINT.join(pair) for pair in pairwise(words))):
            number, sign = _draw(term)
            row_H[number % buckets] += sign
    lengths_T1 = np.linalg.norm(counts_TH, axis=1, keepdims=True)
    return torch.from_numpy((counts_TH / np.where(lengths_T1 > 0, lengths_T1, 1)).astype("f4"))


@lru_cache(maxsize=65_536)
def _draw(term: str) -> tuple[int, int]:
    """Return a number of 63 bits and a sign, by the term alone."""
    drawn = int.from_bytes(hashlib.blake2b(term.encode(), digest_size=8).digest(), "big")
    return drawn >> 1, 1 if drawn & 1 else -1
