"""Hashed words: an independent reference, golden values, and what changes them."""

import hashlib
import math
from itertools import pairwise

import pytest
import torch
from torch.testing import assert_close

from trainer.data.text.word_hash import hash_words

CAPTIONS = ["A violin, then a drum", "drum", "скрипка и барабан", "小提琴", "?!"]


def reference(words: list[str], buckets: int) -> list[float]:
    counts = [0.0] * buckets
    for term in words + [f"{a}\n{b}" for a, b in pairwise(words)]:
        digest = hashlib.blake2b(term.encode("utf-8"), digest_size=8).digest()
        number = sum(byte << (8 * (7 - place)) for place, byte in enumerate(digest))
        counts[(number // 2) % buckets] += -1.0 if number % 2 == 0 else 1.0
    length = math.sqrt(sum(c * c for c in counts))
    return [c / length if length else 0.0 for c in counts]


@pytest.mark.parametrize("buckets", [16, 100, 512])
def test_rows_are_signed_counts_of_words_and_pairs(buckets: int) -> None:
    words = ["a violin then a drum", "drum", "скрипка и барабан", "小 提 琴", ""]
    expected = [reference(caption.split(), buckets) for caption in words]
    assert_close(hash_words(CAPTIONS, buckets), torch.tensor(expected))


def test_rows_have_length_one_and_wordless_captions_are_zeros() -> None:
    rows = hash_words(CAPTIONS, 64)
    assert rows.dtype == torch.float32
    assert_close(rows.norm(dim=1), torch.tensor([1.0, 1.0, 1.0, 1.0, 0.0]))
    assert hash_words([], 64).shape == (0, 64)


def test_order_counts_case_and_punctuation_do_not() -> None:
    rows = hash_words(
        ["a violin then a drum", "A VIOLIN... then a drum", "a drum then a violin"], 512
    )
    assert torch.equal(rows[0], rows[1])
    assert 0.4 < float(rows[0] @ rows[2]) < 0.95
