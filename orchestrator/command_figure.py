"""``rankfall figure``: one figure of a study for a paper, with its data as CSV."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import assert_never

from orchestrator.claims.result import read_results
from orchestrator.claims.run import FOLDER
from orchestrator.claims.scoreboard import build_rows
from orchestrator.collapse_map import CollapseMap, build_map
from orchestrator.command_results import open_ledger
from orchestrator.compare.arm import parse_arm, resolve_arm
from orchestrator.errors import FigureError
from orchestrator.figures.histories import make_history, make_retrieval
from orchestrator.figures.kind import FigureFormat, FigureKind
from orchestrator.figures.maps import make_map, make_spectrum
from orchestrator.figures.paper import PaperFigure, render
from orchestrator.figures.scoreboard import make_scoreboard
from orchestrator.record import TrialRecord
from orchestrator.report.tables import to_csv
from search_spaces.claim_load import KEPT_RESULTS, same_value, shipped_claims
from search_spaces.point import Point, Value
from search_spaces.study import Study
from trainer.durable import write_durably

ALL_CLAIMS = "claims"
_INCHES = {"in": 1.0, "cm": 1 / 2.54, "mm": 1 / 25.4, "pt": 1 / 72}
_LEAST, _MOST = 1.0, 20.0


def write_figure(
    study: str,
    kind: FigureKind,
    form: FigureFormat,
    width: str,
    results: Path,
    at: Sequence[str] = (),
    out: Path | None = None,
) -> list[Path]:
    """Write a figure and its CSV and return both.

    Args:
        study: Name of a study; for the scoreboard also ``claims``, for all.
        width: A length such as ``3.25in``.
        at: ``AXIS=VALUE`` each: only trials there.
        out: The figure; default: ``STUDY-KIND.FORMAT`` here. The CSV lies beside it.

    Raises:
        LedgerError: If there is no such study.
        FigureError: If the study has no data for it, or a file cannot be written.
        CompareError: If ``at`` names no axis, or nothing lies there.
    """
    inches = read_width(width)
    file = out or Path(f"{Path(study).name}-{kind}.{form}")
    if kind is FigureKind.SCOREBOARD:
        paper = _make_scoreboard(study, results)
    else:
        ledger = open_ledger(study, results)
        records = ledger.records()
        listed = ",".join(at)
        text = parse_arm(f":{listed}" if listed else study, study)
        chosen = resolve_arm(text, ledger.study, records, ledger.provenance)
        paper = make_figure(kind, ledger.study, chosen.records, chosen.at)
    contents = {file: render(paper, form, inches), file.with_suffix(".csv"): to_csv(paper.data)}
    try:
        for path, content in contents.items():
            write_durably(path, content)
    except OSError as error:
        raise FigureError(f"{file}: cannot be written ({error.strerror})") from error
    return list(contents)


def read_width(text: str) -> float:
    """Return a length in inches: ``3.25in``, ``8.5cm``, ``86mm``, ``240pt``.

    Raises:
        FigureError: If it is not a length between 1 and 20 inches.
    """
    found = re.fullmatch(r"(\d+(?:\.\d*)?)\s*(in|cm|mm|pt)", text.strip())
    inches = float(found[1]) * _INCHES[found[2]] if found else 0.0
    if not _LEAST <= inches <= _MOST:
        raise FigureError(
            f"--width {text}: expected a length from {_LEAST:g}in to {_MOST:g}in, such as 3.25in, "
            "8.5cm, 86mm or 240pt"
        )
    return inches


def make_figure(
    kind: FigureKind,
    study: Study,
    records: Sequence[TrialRecord],
    at: Mapping[str, Value],
) -> PaperFigure:
    """Return a figure of trials.

    Raises:
        FigureError: If they have no data for it.
    """
    match kind:
        case FigureKind.COLLAPSE_MAP:
            return make_map(_map(study, records, at), with_trials=True)
        case FigureKind.BOUNDARY:
            return make_map(_map(study, records, at), with_trials=False)
        case FigureKind.SPECTRUM:
            return make_spectrum(_map(study, records, at))
        case FigureKind.DRIFT | FigureKind.RADIUS | FigureKind.ALIGNMENT:
            return make_history(kind, study, records)
        case FigureKind.RETRIEVAL:
            return make_retrieval(study, records)
        case FigureKind.SCOREBOARD:
            raise FigureError("a scoreboard is of claims' results, not of trials")
        case unreachable:
            assert_never(unreachable)


def _map(study: Study, records: Sequence[TrialRecord], at: Mapping[str, Value]) -> CollapseMap:
    found = build_map(study, records, at_study_level_only=True)
    slices = tuple(s for s in found.slices if _lies_at(s.point, at))
    return replace(found, slices=slices)


def _lies_at(point: Point, at: Mapping[str, Value]) -> bool:
    own = dict(point.coordinates)
    return all(path not in own or same_value(own[path], value) for path, value in at.items())


def _make_scoreboard(study: str, results: Path) -> PaperFigure:
    own = read_results(results / FOLDER)
    names = {result.claim for result in own}
    kept = [result for result in read_results(KEPT_RESULTS) if result.claim not in names]
    rows = build_rows(shipped_claims(), [*own, *kept])
    if study != ALL_CLAIMS:
        rows = [row for row in rows if row.result is not None and row.result.study == study]
    return make_scoreboard(study, rows)
