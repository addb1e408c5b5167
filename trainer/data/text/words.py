"""Captions as words, in any language, and words as ids.

Shape legend: T = captions, L = places of a row.
"""

import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

PADDING = 0
UNKNOWN = 1
_FIRST_WORD = 2
_MOST_IDS = 8192
_WITHOUT_SPACES = ("CJK", "HIRAGANA", "KATAKANA", "THAI", "LAO", "KHMER", "MYANMAR")
"""Scripts that write no space between words, by how Unicode names their characters."""


def split_words(caption: str) -> list[str]:
    """Return the words of a caption: folded to one case, without punctuation.

    A word is a run of letters, digits and the marks on them. Scripts without spaces between
    words (Chinese, Japanese, Thai, Lao, Khmer, Burmese) are split into characters. Forms that
    Unicode calls compatible (full-width letters, ligatures) count as one.
    """
    words, is_open = [], False
    for character in unicodedata.normalize("NFKC", caption).casefold():
        kind = _kind_of(character)
        if kind == "alone" or (kind == "letter" and not is_open):
            words.append(character)
        elif kind == "letter" or (kind == "mark" and words):
            words[-1] += character
        is_open = kind == "letter" or (kind == "mark" and is_open)
    return words


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Which words have an id: 0 is padding, 1 any other word."""

    ids_by_word: Mapping[str, int]

    @classmethod
    def of(cls, captions: Iterable[str], most_ids: int = _MOST_IDS) -> "Vocabulary":
        """Give ids to the words of captions, the most frequent first, equally frequent by word.

        Args:
            most_ids: Ids in all, those of padding and of other words among them.
        """
        counts = Counter(word for caption in captions for word in split_words(caption))
        ranked = sorted(counts, key=lambda word: (-counts[word], word))
        kept = ranked[: most_ids - _FIRST_WORD]
        return cls({word: number for number, word in enumerate(kept, _FIRST_WORD)})

    @property
    def size(self) -> int:
        """How many ids there are, those of padding and of other words among them."""
        return len(self.ids_by_word) + _FIRST_WORD

    def ids(self, captions: Sequence[str], tokens: int) -> Tensor:
        """Return the ids of the first ``tokens`` words of each caption, int64, (T, L).

        0 stands after the last word. A caption without words is one unknown word.
        """
        ids_TL = torch.full((len(captions), tokens), PADDING)
        for row, caption in enumerate(captions):
            ids = [self.ids_by_word.get(word, UNKNOWN) for word in split_words(caption)[:tokens]]
            ids = ids or [UNKNOWN]
            ids_TL[row, : len(ids)] = torch.tensor(ids)
        return ids_TL


@lru_cache(maxsize=65_536)
def _kind_of(character: str) -> str:
    """Return alone, letter (or digit), mark or gap."""
    category = unicodedata.category(character)[0]
    if category == "M":
        return "mark"
    if category not in "LN":
        return "gap"
    is_alone = unicodedata.name(character, "").startswith(_WITHOUT_SPACES)
    return "alone" if is_alone else "letter"
