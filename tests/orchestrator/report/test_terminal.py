"""The map in the terminal: fits 80 columns, reads no study text as markup."""

import re
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console, RenderableType

from orchestrator.report.terminal import map_so_far, summarise
from search_spaces.axis import ChoiceAxis
from search_spaces.study import Question
from tests.orchestrator.report.builder import (
    LR_AXIS,
    TEMPERATURE_AXIS,
    make_records,
    make_small_study,
    make_study,
)


def print_at(renderable: RenderableType, width: int = 80) -> str:
    console = Console(width=width, file=StringIO())
    with console.capture() as capture:
        console.print(renderable)
    return capture.get()


def test_a_row_a_temperature_a_column_an_objective() -> None:
    study = make_small_study()
    text = print_at(map_so_far(study, make_records(study)))
    assert "infonce" in text
    assert "supcon" in text
    assert re.search(r"6\.7 \[[45](\.\d)?, [89](\.\d)?\] · 33", text), text
    assert max(len(line) for line in text.splitlines()) <= 80


def test_a_slice_that_is_not_decided_shows_how_many_trials_it_has() -> None:
    study = make_small_study()
    text = print_at(map_so_far(study, make_records(study)[:2]))
    assert "… · 2" in text
    assert "… · 0" in text


def test_above_the_range_is_said_in_words() -> None:
    study = make_study((LR_AXIS,))
    assert "above 100" in print_at(map_so_far(study, make_records(study, lambda _: 1e5)))


def test_many_curves_become_a_row_a_slice() -> None:
    study = make_study((LR_AXIS, TEMPERATURE_AXIS, ChoiceAxis("model.hidden", tuple("abcdefghij"))))
    text = print_at(map_so_far(study, []))
    assert "hidden a, temperature 0.05" in text
    assert "10 more slices in the report" in text


def test_the_summary_answers_counts_and_points_to_the_files() -> None:
    study = make_small_study()
    text = print_at(summarise(study, make_records(study), [Path("out/report.html")]))
    answer = r"At temperature 0\.22 infonce collapses above learning rate 6\.7 \[[45](\.\d)?, [89]"
    assert re.search(answer, " ".join(text.split())), text
    assert "198 trials" in text
    assert "out/report.html" in text


def test_optimise_lists_the_best_points() -> None:
    study = make_small_study(Question.OPTIMISE)
    assert "Best points by kNN accuracy" in print_at(map_so_far(study, make_records(study)))
    assert "no measured trial yet" in print_at(map_so_far(study, []))


@pytest.mark.parametrize("value", ["[bold]none", "[/]"])
def test_brackets_in_a_study_are_not_markup(value: str) -> None:
    study = make_study((LR_AXIS, ChoiceAxis("model.norm", (value, "layer"))))
    assert value in print_at(map_so_far(study, []))
