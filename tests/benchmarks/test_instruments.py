"""The benchmark of the instruments runs end to end on a small size and reports its fields."""

import pytest

from tests.benchmarks.instruments import ROWS, Row, compare


@pytest.mark.slow
@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.ours.name}-{row.peer.name}")
def test_every_row_reports_finite_ratios_from_two_processes(row: Row) -> None:
    result = compare(row, samples=64, dimensions=16, repeats=2)
    assert list(result) == ["name", "peer", "batch", "time_ratio", "memory_ratio", "goal"]
    assert isinstance(result["time_ratio"], float)
    assert result["time_ratio"] > 0
    assert isinstance(result["memory_ratio"], float)
    assert result["memory_ratio"] >= 0
