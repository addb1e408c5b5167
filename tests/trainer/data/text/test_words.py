"""Words in several languages, and ids of the most frequent."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from trainer.data.text.words import Vocabulary, split_words


@pytest.mark.parametrize(
    ("caption", "words"),
    [
        pytest.param("A violin, then 2 snare-drums!", "a violin then 2 snare drums", id="en"),
        pytest.param("L'été d’une Œuvre", "l été d une œuvre", id="fr"),
        pytest.param("Straße, ÜBUNG", "strasse übung", id="de"),
        pytest.param("¿Qué pasó? El niño…", "qué pasó el niño", id="es"),
        pytest.param("Скрипка и ёлка.", "скрипка и ёлка", id="ru"),
        pytest.param("小提琴,然后2次鼓声。", "小 提 琴 然 后 2 次 鼓 声", id="zh"),
        pytest.param("バイオリンの音", "バ イ オ リ ン の 音", id="ja"),
        pytest.param("हिन्दी गीत", "हिन्दी गीत", id="hi: marks belong to their letters"),
        pytest.param("ดนตรี", "ด น ต รี", id="th"),
        pytest.param("ＡＢＣ１２ ﬁddle", "abc12 fiddle", id="full width and ligatures"),
        pytest.param("e\u0301te\u0301", "été", id="composed"),
        pytest.param(" \t.,!? — ", "", id="nothing"),
        pytest.param("\u0301", "", id="a mark alone"),
    ],
)
def test_captions_are_split_into_words(caption: str, words: str) -> None:
    assert split_words(caption) == words.split()


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=40))
def test_splitting_what_was_split_changes_nothing(caption: str) -> None:
    words = split_words(caption)
    assert all(words)
    assert split_words(" ".join(words)) == split_words(" ".join(split_words(" ".join(words))))


def test_ids_go_to_the_most_frequent_words_and_ties_to_the_first_by_name() -> None:
    captions = ["drum drum bell", "cello drum", "bell alto"]
    vocabulary = Vocabulary.of(captions)
    assert vocabulary.ids_by_word == {"drum": 2, "bell": 3, "alto": 4, "cello": 5}
    assert vocabulary.size == 6
    assert Vocabulary.of(reversed(captions)) == vocabulary
    assert Vocabulary.of(captions, most_ids=4).ids_by_word == {"drum": 2, "bell": 3}


def test_rows_are_cut_padded_and_never_empty() -> None:
    vocabulary = Vocabulary.of(["drum drum bell"])
    ids_TL = vocabulary.ids(["Bell, drum; bell drum", "a bell", "...", ""], tokens=3)
    expected = torch.tensor([[3, 2, 3], [1, 3, 0], [1, 0, 0], [1, 0, 0]])
    assert torch.equal(ids_TL, expected)
    assert ids_TL.dtype == torch.int64


def test_there_are_at_most_8192_ids() -> None:
    vocabulary = Vocabulary.of([" ".join(f"w{i}" for i in range(9000))])
    assert vocabulary.size == 8192
    assert int(vocabulary.ids(["w1 w2"], 4).max()) < 8192
