"""``align``: which trial is compared with which, and what it asks of a study."""

import pytest

from search_spaces.point import Point, Value
from tests.search_spaces.sample import complaint_of, parse

TEXT = """\
study: aligned
question: grid
data: {source: digits}
model: {encoder: mlp, hidden: [16], embed_dim: 16}
objective: {kind: [cl, nscl, ce], temperature: {low: 0.1, high: 1.0, log: true, points: 3}}
lr: [0.01, 0.1]
align: {reference: cl}
budget: {trials: 40}
"""


def at(kind: str, lr: float, temperature: float | None = None) -> Point:
    coordinates: dict[str, Value] = {"objective.kind": kind, "lr": lr}
    if temperature is not None:
        coordinates["objective.temperature"] = temperature
    return Point.of(coordinates)


def test_a_point_is_compared_with_that_of_the_reference_at_the_same_settings() -> None:
    study = parse(TEXT)
    assert study.reference_of(at("nscl", 0.1, 1.0)) == at("cl", 0.1, 1.0)
    assert study.reference_of(at("cl", 0.01, 0.1)) == at("cl", 0.01, 0.1)
    assert study.reference_of(at("ce", 0.1)) == at("cl", 0.1, 0.1), "lowest where it has none"


def test_what_the_reference_lacks_does_not_count() -> None:
    study = parse(TEXT.replace("reference: cl", "reference: ce"))
    assert study.reference_of(at("nscl", 0.1, 1.0)) == at("ce", 0.1)


def test_without_align_nothing_is_compared() -> None:
    plain = parse(TEXT.replace("align: {reference: cl}\n", ""))
    assert plain.reference_of(at("nscl", 0.1, 1.0)) is None
    assert plain.digest != parse(TEXT).digest
    assert parse(TEXT).digest != parse(TEXT.replace("reference: cl", "reference: ce")).digest


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "reference: cl",
            "reference: supcon",
            "s.yaml:7: align.reference: expected one of at least two objective kinds of this "
            "study, got 'supcon' and objective.kind: cl, nscl, ce; list in objective.kind the "
            "reference and what is to be compared with it",
        ),
        (
            "[cl, nscl, ce]",
            "cl",
            "s.yaml:7: align.reference: expected one of at least two objective kinds of this "
            "study, got 'cl' and objective.kind: cl; list in objective.kind the reference and "
            "what is to be compared with it",
        ),
        (
            "align:",
            "planner: qmc\nalign:",
            "s.yaml:8: align: needs planner: grid, which tries every kind at the same settings, "
            "got qmc; add planner: grid, or leave align out",
        ),
        (
            "question: grid",
            "question: optimise\noptimise: {metric: effective_rank, direction: maximize}",
            "s.yaml:8: align: needs planner: grid, which tries every kind at the same settings, "
            "got none; add planner: grid, or leave align out",
        ),
        ("{reference: cl}", "{}", "s.yaml:7: align.reference: missing; add this key"),
        (
            "question: grid",
            "question: optimise\nplanner: grid\n"
            "optimise: {metric: cka_features, direction: maximize}",
            "s.yaml:4: optimise.metric: cka_features compares objective kinds, which question: "
            "optimise chooses from; take another metric, or question: grid",
        ),
    ],
)
def test_what_cannot_be_compared_is_refused_with_its_line(old: str, new: str, message: str) -> None:
    assert old in TEXT
    assert complaint_of(TEXT.replace(old, new)) == message
