"""The boundary benchmark's rows outlive the run, and are not held for true once changed."""

import json
from pathlib import Path

import pytest

from tests.benchmarks.rivals.rows import RowFile, read_rows

ROWS = [
    {"world": world, "axes": 1, "method": "grid", "budget": budget, "error": 0.01}
    for world in ("smooth", "noisy")
    for budget in (24, 48)
]


def fill(path: Path) -> None:
    kept = RowFile(path)
    for row in ROWS:
        kept.add(row)
    kept.close()


def test_every_row_is_in_the_file_before_the_next_comes(tmp_path: Path) -> None:
    kept = RowFile(tmp_path / "rows.jsonl")
    for count, row in enumerate(ROWS, start=1):
        kept.add(row)
        assert read_rows(tmp_path / "rows.jsonl") == ROWS[:count]


def test_a_run_goes_on_with_the_rows_of_an_earlier_one(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    fill(path)
    again = RowFile(path)
    again.add(ROWS[0] | {"method": "bisection"})
    again.close()
    assert len(read_rows(path)) == 5
    assert path.read_text().count("digest") == 1


def test_a_changed_row_is_found_out(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    fill(path)
    lines = path.read_text().splitlines()
    lines[0] = json.dumps(json.loads(lines[0]) | {"error": 0.001})
    path.write_text("\n".join(lines))
    with pytest.raises(ValueError, match="was changed after it was made; run the benchmark again"):
        read_rows(path)


def test_without_a_file_rows_are_only_collected() -> None:
    kept = RowFile(None)
    kept.add(ROWS[0])
    kept.close()
    assert kept.rows == ROWS[:1]
