"""``rankfall figure``: figures of a column, each drawn from the table that lies beside it."""

import csv
import io
import struct
from pathlib import Path

import pytest

from orchestrator.command_figure import read_width, write_figure
from orchestrator.errors import CompareError, FigureError, LedgerError
from orchestrator.figures.kind import FigureFormat, FigureKind
from search_spaces.claim_load import shipped_claims
from tests.orchestrator.demo_ledger import write_demo

BEGINS = {FigureFormat.PDF: b"%PDF", FigureFormat.SVG: b"<?xml", FigureFormat.PNG: b"\x89PNG"}


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("user")
    write_demo(folder)
    return folder / "rankfall-results"


def rows_of(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(path.read_text())))


@pytest.mark.parametrize("form", FigureFormat)
def test_a_figure_is_of_its_format_and_its_data_lie_beside_it(
    form: FigureFormat, results: Path, tmp_path: Path
) -> None:
    out = tmp_path / f"figure.{form}"
    files = write_figure("demo", FigureKind.BOUNDARY, form, "3.25in", results, out=out)
    assert files == [out, out.with_suffix(".csv")]
    assert out.read_bytes().startswith(BEGINS[form])
    rows = rows_of(files[1])
    assert {row["curve"] for row in rows} == {"infonce", "supcon", "clop"}
    assert len(rows) >= 15, "five temperatures of three objectives"


def test_a_png_is_as_wide_as_was_asked_at_300_dots_an_inch(results: Path, tmp_path: Path) -> None:
    out = tmp_path / "map.png"
    write_figure("demo", FigureKind.COLLAPSE_MAP, FigureFormat.PNG, "86mm", results, out=out)
    (width,) = struct.unpack(">I", out.read_bytes()[16:20])
    assert width == pytest.approx(86 / 25.4 * 300, abs=2)


def test_a_figure_of_some_trials_has_those_alone(results: Path, tmp_path: Path) -> None:
    out = tmp_path / "one.svg"
    write_figure("demo", FigureKind.BOUNDARY, FigureFormat.SVG, "3in", results, ["kind=clop"], out)
    rows = rows_of(out.with_suffix(".csv"))
    assert len(rows) >= 5
    assert {row["curve"] for row in rows}.isdisjoint({"infonce", "supcon"})


def test_the_scoreboard_has_a_row_for_every_claim_that_was_decided(tmp_path: Path) -> None:
    out = tmp_path / "board.pdf"
    write_figure("claims", FigureKind.SCOREBOARD, FigureFormat.PDF, "7in", tmp_path, out=out)
    rows = rows_of(out.with_suffix(".csv"))
    claims = {claim.claim for claim in shipped_claims()}
    assert {row["claim"] for row in rows} <= claims
    assert len(rows) >= 15


def test_a_kind_that_the_study_has_no_data_for_is_refused(results: Path, tmp_path: Path) -> None:
    for kind in (FigureKind.DRIFT, FigureKind.RADIUS, FigureKind.ALIGNMENT, FigureKind.RETRIEVAL):
        out = tmp_path / "none.pdf"
        with pytest.raises(FigureError, match="study demo has no"):
            write_figure("demo", kind, FigureFormat.PDF, "3in", results, out=out)
        assert not out.exists()


def test_what_is_not_there_is_refused(results: Path, tmp_path: Path) -> None:
    kind, form = FigureKind.BOUNDARY, FigureFormat.PDF
    with pytest.raises(LedgerError, match="no ledger here"):
        write_figure("absent", kind, form, "3in", results)
    with pytest.raises(CompareError):
        write_figure("demo", kind, form, "3in", results, ["batch=3"], tmp_path / "x.pdf")
    with pytest.raises(FigureError, match="cannot be written"):
        write_figure("demo", kind, form, "3in", results, out=tmp_path / "no" / "folder.pdf")


@pytest.mark.parametrize("text", ["3.25", "0.2in", "50in", "in", "3 feet", "-3in"])
def test_a_width_that_is_no_columns_is_refused(text: str) -> None:
    with pytest.raises(FigureError, match=r"--width .*expected a length from 1in to 20in"):
        read_width(text)


def test_widths_are_inches_in_any_unit() -> None:
    assert read_width("3.25in") == 3.25
    assert read_width("8.255 cm") == pytest.approx(3.25)
    assert read_width("234pt") == pytest.approx(3.25)
