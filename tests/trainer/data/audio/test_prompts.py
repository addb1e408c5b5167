"""Prompts: SupCLAP's sentence, its translations, and languages without one."""

import pytest

from trainer.data.audio.prompts import prompts


def test_english_is_the_sentence_of_the_paper_and_order_is_kept() -> None:
    assert prompts(["dog bark", "siren"], "en") == (
        "This is a sound of dog bark",
        "This is a sound of siren",
    )


@pytest.mark.parametrize("language", ["en", "de", "fr", "es", "ru", "zh"])
def test_a_prompt_holds_the_name_as_it_stands_and_says_more(language: str) -> None:
    (prompt,) = prompts(["ein {Name}"], language)
    assert "ein {Name}" in prompt
    assert len(prompt) > len("ein {Name}")


def test_translations_differ() -> None:
    assert len({prompts(["x"], language) for language in ("en", "de", "fr", "es", "ru")}) == 5


def test_without_a_translation_the_name_stands_alone() -> None:
    assert prompts(["hond", "kat"], "nl") == ("hond", "kat")
    assert prompts([], "en") == ()
