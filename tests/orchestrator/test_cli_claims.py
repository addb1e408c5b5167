"""``rankfall claims`` and the scoreboard that the README shows."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from orchestrator.claims.result import read_results
from orchestrator.claims.scoreboard import END, START, between_marks
from orchestrator.cli import app
from orchestrator.command_claims import kept_markdown
from search_spaces.claim_load import KEPT_RESULTS, shipped_claims
from search_spaces.claim_size import Size

README = Path(__file__).parents[2] / "README.md"


def rankfall(*words: str) -> str:
    result = CliRunner().invoke(app, ["claims", *words], env={"COLUMNS": "200"})
    assert result.exit_code == 0, result.output
    return result.stdout


def test_the_readme_shows_the_results_that_are_kept() -> None:
    assert between_marks(README.read_text()) == kept_markdown(), (
        f"write it anew: rankfall claims --into README.md (between {START} and {END})"
    )


def test_kept_results_are_of_claims_that_exist_at_full_size() -> None:
    names = {claim.claim for claim in shipped_claims()}
    for result in read_results(KEPT_RESULTS):
        assert result.claim in names
        assert result.size is Size.FULL


def test_the_table_and_the_json_name_every_claim(tmp_path: Path) -> None:
    table = rankfall("--results", str(tmp_path))
    content = json.loads(rankfall("--results", str(tmp_path), "--json"))
    assert [row["claim"] for row in content] == [claim.claim for claim in shipped_claims()]
    for claim in shipped_claims():
        assert claim.claim in table


def test_a_document_without_marks_is_refused(tmp_path: Path) -> None:
    document = tmp_path / "README.md"
    document.write_text("no marks")
    result = CliRunner().invoke(app, ["claims", "--into", str(document)])
    assert result.exit_code == 2
    assert "cannot take the scoreboard" in result.stderr
    assert document.read_text() == "no marks"


def test_a_document_with_marks_takes_the_kept_results(tmp_path: Path) -> None:
    document = tmp_path / "README.md"
    document.write_text(f"a\n{START}\n{END}\nb\n")
    rankfall("--into", str(document))
    assert between_marks(document.read_text()) == kept_markdown()
    assert document.read_text().endswith("\nb\n")


@pytest.mark.parametrize("size", list(Size))
def test_a_plan_says_what_a_claim_takes(size: Size) -> None:
    (row,) = json.loads(rankfall("plan", "clop-metric", "--size", size.value, "--json"))
    trials = {Size.QUICK: 15, Size.FULL: 30, Size.PAPER: 30}
    assert row["trials"] == trials[size]
    assert row["study"].startswith("clop-metric")


def test_an_unknown_claim_is_bad_input() -> None:
    result = CliRunner().invoke(app, ["claims", "run", "clop-metrik"])
    assert result.exit_code == 2
    assert "did you mean clop-metric?" in result.stderr


def test_small_results_are_not_kept() -> None:
    result = CliRunner().invoke(app, ["claims", "run", "clop-metric", "--keep"])
    assert result.exit_code == 2
    assert "--keep is for results of --size full, got quick" in " ".join(result.stderr.split())
