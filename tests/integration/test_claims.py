"""``rankfall claims run`` as a user runs it: two real studies one after another in one process."""

import json
import re
from pathlib import Path

import pytest

from tests.runs import RANKFALL, run

pytestmark = pytest.mark.slow

CLAIMS = ("clop-metric", "clop-orthonormal")


def test_two_studies_run_in_turn_and_the_same_command_trains_nothing_again(tmp_path: Path) -> None:
    command = [str(RANKFALL), "claims", "run", *CLAIMS, "--size", "quick", "--results", "here"]
    first = run(tmp_path, command)
    assert first.returncode == 0, first.stderr
    folder = tmp_path / "here" / "claims"
    results = {name: json.loads((folder / f"{name}.quick.json").read_text()) for name in CLAIMS}
    for name, result in results.items():
        assert (result["trials"], result["missing"]) == (15, 0)
        assert len(result["contrasts"][0]["seeds"]) == 5
        assert result["verdict"] == "inconclusive", "five seeds decide nothing"
        assert (folder / f"{name}.quick.png").stat().st_size > 10_000
    ledgers = [path.read_bytes() for path in sorted((tmp_path / "here").glob("*/ledger.journal"))]
    assert len(ledgers) == 2

    again = run(tmp_path, command)
    assert again.returncode == 0, again.stderr
    for name, result in results.items():
        repeated = json.loads((folder / f"{name}.quick.json").read_text())
        assert repeated["contrasts"] == result["contrasts"]
    board = run(tmp_path, [str(RANKFALL), "claims", "--results", "here", "--markdown"])
    assert len(re.findall(r"\*\*inconclusive\*\* \(quick\)", board.stdout)) == 2
