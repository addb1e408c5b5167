"""The answer of a study in Markdown: what the note of its parent run in MLflow says first."""

from collections.abc import Sequence

from orchestrator.collapse_map import CollapseMap, SliceMap, build_map
from orchestrator.record import TrialRecord
from orchestrator.report.answer import answer_question
from orchestrator.report.wording import describe_critical_lr, describe_interval, describe_point
from search_spaces.study import Question, Study

MOST_SLICES = 30
"""Rows of the table: MLflow keeps 8,000 bytes of a note."""


def write_answer(study: Study, records: Sequence[TrialRecord]) -> str:
    """Return the question in words, the answer, and the map as a table."""
    collapse_map = build_map(study, records)
    answer = answer_question(collapse_map)
    words = [f"**{answer.question}**", "", " ".join(answer.sentences)]
    if answer.open_points:
        words += ["", answer.open_points]
    if collapse_map.lr_range is not None and study.question is not Question.OPTIMISE:
        words += ["", *_tabulate(collapse_map, collapse_map.lr_range)]
    return "\n".join(words)


def _tabulate(collapse_map: CollapseMap, lr_range: tuple[float, float]) -> list[str]:
    shown = collapse_map.slices[:MOST_SLICES]
    rows = [_row(slice_map, lr_range) for slice_map in shown]
    rest = len(collapse_map.slices) - len(shown)
    more = ["", f"{rest} further slices: see report.html."] if rest else []
    return ["| slice | critical learning rate | 95 % band |", "|---|---|---|", *rows, *more]


def _row(slice_map: SliceMap, lr_range: tuple[float, float]) -> str:
    boundary = slice_map.boundary
    cells = (
        describe_point(slice_map.point),
        describe_critical_lr(boundary, lr_range),
        describe_interval(boundary.band_lr),
    )
    return "| " + " | ".join(cell.replace("|", "/") for cell in cells) + " |"
