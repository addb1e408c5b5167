"""YAML with line numbers: core-schema scalars, and what a study may not use."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from search_spaces.errors import StudySyntaxError
from search_spaces.located import LocatedMapping, find_origin, strip_origins
from search_spaces.yaml_source import YamlSource


def value_of(text: str) -> object:
    content = YamlSource(f"x: {text}\n", "s.yaml").compose()
    assert content is not None
    plain = strip_origins(content)
    assert isinstance(plain, dict)
    return plain["x"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1e-3", 0.001),
        ("1E3", 1000.0),
        (".5", 0.5),
        ("1.", 1.0),
        ("+7", 7),
        ("-0.25", -0.25),
        ("010", 10),
        (".inf", math.inf),
        ("-.INF", -math.inf),
        ("1e999", math.inf),
        ("true", True),
        ("False", False),
        ("no", "no"),
        ("on", "on"),
        ("1:30", "1:30"),
        ("1_000", "1_000"),
        ("2026-11-22", "2026-11-22"),
        ("0x10", "0x10"),
        ("'1'", "1"),
        ("none", "none"),
        ("~", None),
        ("", None),
        ("[1, a, [2.5]]", [1, "a", [2.5]]),
        ("{<<: 1}", {"<<": 1}),
    ],
)
def test_scalars_follow_the_core_schema(text: str, expected: object) -> None:
    value = value_of(text)
    assert (type(value), value) == (type(expected), expected)


def test_nan_is_read_as_a_number() -> None:
    value = value_of(".nan")
    assert isinstance(value, float)
    assert math.isnan(value)


def test_a_number_of_5000_digits_is_read_without_trouble() -> None:
    assert value_of("9" * 5000) == math.inf


@settings(max_examples=50, deadline=None)
@given(number=st.floats(allow_nan=False, allow_infinity=False))
def test_every_float_survives_its_shortest_writing(number: float) -> None:
    value = value_of(repr(number))
    assert isinstance(value, float)
    assert value == number


def test_every_key_knows_its_line() -> None:
    content = YamlSource(
        "a: 1\n# comment\nb:\n  c: {d: 2,\n      e: 3}\n  f:\n    - 4\n    - 5\n", "s"
    ).compose()
    assert isinstance(content, LocatedMapping)
    lines = {
        path: find_origin(content, path).line
        for path in [("a",), ("b",), ("b", "c", "d"), ("b", "c", "e"), ("b", "f", 1)]
    }
    assert list(lines.values()) == [1, 3, 4, 5, 8]
    assert find_origin(content, ("b", "c", "missing")).line == 4


@pytest.mark.parametrize("text", ["", "# only a comment\n", "\n\n"])
def test_nothing_is_none(text: str) -> None:
    assert YamlSource(text, "s.yaml").compose() is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "a: [1",
            "s.yaml:1: not valid YAML at column 6: expected ',' or ']', but got '<stream end>' "
            "(while parsing a flow sequence)",
        ),
        (
            "a: 1\nb: c: d",
            "s.yaml:2: not valid YAML at column 5: mapping values are not allowed here",
        ),
        ("a: 1\n---\nb: 2", "s.yaml:2: expected one YAML document, got another after ---"),
        ("a: 1\nb: \x00", "s.yaml:2: not valid YAML: the character U+0000 is not allowed"),
        ("a: &x 1\nb: *x", "s.yaml:2: alias *x is not supported; write the value out"),
        ("&a [*a]", "s.yaml:1: alias *a is not supported; write the value out"),
        (
            "a: !!python/object/apply:os.system [ls]",
            "s.yaml:1: tag !!python/object/apply:os.system is not supported; write the plain value",
        ),
        ("[" * 5000, "s.yaml:1: nested more than 20 deep; a study nests a few levels"),
        (
            'a: "\\ud800"',
            "s.yaml:1: half of a surrogate pair is not a character; write it as \\U...",
        ),
    ],
)
def test_refuses(text: str, message: str) -> None:
    with pytest.raises(StudySyntaxError) as caught:
        YamlSource(text, "s.yaml").compose()
    assert str(caught.value) == message


def test_reports_duplicate_and_odd_keys_and_keeps_the_first() -> None:
    source = YamlSource("a: {b: 1,\n b: 2}\n3: 4\n? [x]\n: 5\n", "s.yaml")
    content = source.compose()
    assert content is not None
    assert strip_origins(content) == {"a": {"b": 1}}
    assert [str(problem) for problem in source.problems] == [
        "s.yaml:2: a.b: duplicate key, first given on line 1; keep one of the two",
        "s.yaml:3: a key must be text, got 3; put it in quotes",
        "s.yaml:4: a key must be text, got a collection; put it in quotes",
    ]


YAML_SIGNS = "ab:{}[],-?#&*!|>'\"%@`\n\t 01.e~<"


@settings(max_examples=100, deadline=None)
@given(text=st.text(alphabet=st.sampled_from(list(YAML_SIGNS)), max_size=40))
def test_any_text_is_read_or_refused_in_one_line(text: str) -> None:
    lines = refusals_of(text)
    assert len(lines) <= 1
    assert all(line.startswith("s.yaml:") for line in lines)


def refusals_of(text: str) -> list[str]:
    try:
        YamlSource(text, "s.yaml").compose()
    except StudySyntaxError as error:
        return str(error).splitlines()
    return []
