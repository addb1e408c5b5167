"""Names and captions of General MIDI: complete, different, and in one language each."""

import re

import pytest

from trainer.data.audio.midi_captions import FRAME_COUNT, write_captions
from trainer.data.audio.midi_instruments import LANGUAGES, all_instruments, pick_instruments
from trainer.data.audio.midi_notes import Note

INSTRUMENTS = all_instruments()
VIOLIN = next(i for i, one in enumerate(INSTRUMENTS) if one.code == "program-40")
SNARE = next(i for i, one in enumerate(INSTRUMENTS) if one.code == "percussion-38")
TWO = (Note(VIOLIN, 90, 114), Note(SNARE, 38, 36))

KNOWN = {
    "program-0": ("a grand piano", "ein Konzertflügel", "рояль", "三角钢琴"),
    "program-40": ("a violin", "eine Geige", "скрипка", "小提琴"),
    "program-73": ("a flute", "eine Querflöte", "поперечная флейта", "长笛"),
    "program-127": ("a gunshot", "ein Schuss", "выстрел", "枪声"),
    "percussion-35": (
        "an acoustic bass drum",
        "eine akustische Basstrommel",
        "большой барабан",
        "低音大鼓",
    ),
    "percussion-81": (
        "an open triangle",
        "ein offener Triangel",
        "открытый треугольник",
        "开音三角铁",
    ),
}


def captions(language: str, *, count: int = FRAME_COUNT, touch: bool = False) -> tuple[str, ...]:
    return write_captions(TWO, INSTRUMENTS, language, count=count, touch=touch, seed=1)


def test_general_midi_has_128_programs_and_47_percussion_keys() -> None:
    assert [i.number for i in pick_instruments("melodic")] == list(range(128))
    assert [i.number for i in pick_instruments("percussion")] == list(range(35, 82))
    assert pick_instruments("all") == INSTRUMENTS
    for instrument in INSTRUMENTS:
        assert 0 <= instrument.low <= instrument.high <= 127
        if instrument.is_percussion:
            assert instrument.low == instrument.high == instrument.number
        else:
            assert instrument.high - instrument.low >= 12


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_instrument_has_a_name_of_its_own(language: str) -> None:
    names = [instrument.names[language] for instrument in INSTRUMENTS]
    assert all(name == name.strip() and name for name in names)
    assert len(set(names)) == len(names) == 175


@pytest.mark.parametrize("code", KNOWN)
def test_names_stand_in_the_right_rows(code: str) -> None:
    names = next(i for i in INSTRUMENTS if i.code == code).names
    assert tuple(names[language] for language in ("en", "de", "ru", "zh")) == KNOWN[code]


@pytest.mark.parametrize(
    ("language", "articles"),
    [("de", "(ein|eine) "), ("fr", "(un|une|des|le) "), ("es", "(un|una) ")],
)
def test_names_have_the_article_of_their_language(language: str, articles: str) -> None:
    for instrument in INSTRUMENTS:
        assert re.match(articles, instrument.names[language]), instrument.names


def test_english_articles_fit_the_sound_that_follows() -> None:
    for instrument in INSTRUMENTS:
        name = instrument.names["en"]
        article = re.match(r"(an?) (.)", name)
        if article:
            assert (article[1] == "an") == (article[2].lower() in "aeio"), name


@pytest.mark.parametrize("language", ["ru", "zh"])
@pytest.mark.parametrize("touch", [False, True])
def test_no_latin_letters_are_left_in_russian_and_chinese(language: str, touch: bool) -> None:
    for number, instrument in enumerate(INSTRUMENTS):
        notes = (Note(number, instrument.low, 36), Note(number, instrument.high, 127))
        for seed in range(4):
            for caption in write_captions(
                notes, INSTRUMENTS, language, count=FRAME_COUNT, touch=touch, seed=seed
            ):
                assert not re.search("[A-Za-z]", caption), caption
                assert re.search("[а-яё]" if language == "ru" else "[\u4e00-\u9fff]", caption)


@pytest.mark.parametrize("language", ["de", "fr", "es"])
def test_no_english_words_are_left_elsewhere(language: str) -> None:
    english = re.compile(
        r"\b(the|and|then|followed|after|sound|hear|recording|with|low|high|soft|loud|"
        r"guitar|drum|bell|string|strings|voice|flute|horn|whistle)\b"
    )
    for number, instrument in enumerate(INSTRUMENTS):
        notes = (Note(number, instrument.low, 36), Note(number, instrument.high, 127))
        texts = write_captions(
            notes, INSTRUMENTS, language, count=FRAME_COUNT, touch=True, seed=number
        )
        assert not english.search(" ".join(texts)), texts


@pytest.mark.parametrize("language", LANGUAGES)
def test_captions_differ_and_name_the_instruments_in_their_order(language: str) -> None:
    texts = captions(language)
    assert len(set(texts)) == FRAME_COUNT
    violin, snare = (INSTRUMENTS[note.instrument].names[language] for note in TWO)
    for text in texts:
        assert -1 < text.find(violin) < text.find(snare)


@pytest.mark.parametrize("language", LANGUAGES)
def test_one_event_has_as_many_different_captions(language: str) -> None:
    texts = write_captions(TWO[:1], INSTRUMENTS, language, count=FRAME_COUNT, touch=False, seed=0)
    assert len(set(texts)) == FRAME_COUNT


def test_captions_are_translations_of_each_other() -> None:
    plain = {
        language: captions(language).index(min(captions(language), key=len))
        for language in LANGUAGES
    }
    assert len(set(plain.values())) == 1  # the bare frame "{}" has one position in all


def test_fewer_captions_are_the_first_ones() -> None:
    assert captions("en", count=2) == captions("en")[:2]


def test_touch_says_register_and_loudness() -> None:
    (text,) = captions("en", count=1, touch=True)
    assert "a violin, high and loud, " in text
    assert "a snare drum, soft" in text
    (text,) = captions("zh", count=1, touch=True)
    assert "小提琴（高音区、响亮）" in text
    middle = (Note(VIOLIN, 73, 88),)
    (text,) = write_captions(middle, INSTRUMENTS, "en", count=1, touch=True, seed=1)
    assert text.endswith("a violin")
