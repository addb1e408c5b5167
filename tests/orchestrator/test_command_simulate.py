"""``rankfall simulate``: what budgets buy, in a table and as JSON, and what it refuses."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from orchestrator.cli import app
from orchestrator.planners.rehearsal import SHARES, rehearse
from orchestrator.planners.world_kind import WorldKind
from search_spaces.study import PlannerKind, Question
from tests.orchestrator.fabricated import TEXT, make_tiny
from tests.orchestrator.planners.studies import LR_AXIS, make_study

Rankfall = Callable[..., Result]


@pytest.fixture
def rankfall(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Rankfall:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    (tmp_path / "tiny.yaml").write_text(TEXT)
    return lambda *words: CliRunner().invoke(app, ["simulate", *words])


def simulated(result: Result) -> dict[str, object]:
    assert result.exit_code == 0, result.output
    parsed: dict[str, object] = json.loads(result.stdout)
    return parsed


def test_it_explains_itself_with_an_example_and_every_world(rankfall: Rankfall) -> None:
    said = rankfall("--help").stdout
    assert "Example: rankfall simulate demo" in said
    assert all(str(kind) in said for kind in WorldKind)


def test_a_larger_budget_buys_a_smaller_error(rankfall: Rankfall, tmp_path: Path) -> None:
    found = simulated(rankfall("tiny.yaml", "--repeats", "3", "--json"))
    rows = found["budgets"]
    assert isinstance(rows, list)
    assert [row["budget"] for row in rows] == [
        round(share * make_tiny().budget.trials) for share in SHARES
    ]
    assert all(row["trials"] <= row["budget"] for row in rows)
    assert rows[-1]["error_decades"] < 0.1
    assert rows[-1]["trial_steps"] > rows[0]["trial_steps"]
    assert (found["world"], found["repeats"]) == ("smooth", 3)
    assert {path.name for path in tmp_path.rglob("*")} == {"tiny.yaml"}


def test_the_table_says_what_its_columns_are(rankfall: Rankfall) -> None:
    result = rankfall("tiny.yaml", "--repeats", "1", "--world", "lapses")
    assert result.exit_code == 0
    said = " ".join(result.stdout.split())
    assert f"1 lapses world over the {len(make_tiny().slices())} slices of tiny" in said
    assert "budget trials trial-steps rounds band error coverage slices" in said


def test_equal_arguments_give_equal_numbers(rankfall: Rankfall) -> None:
    words = ("tiny.yaml", "--repeats", "2", "--world", "noisy", "--json")
    assert rankfall(*words).stdout == rankfall(*words).stdout


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        pytest.param(("absent",), "absent", id="no-such-study"),
        pytest.param(("tiny.yaml", "--world", "flat"), "smooth", id="no-such-world"),
        pytest.param(("tiny.yaml", "--repeats", "0"), "repeats", id="no-repeats"),
        pytest.param(("tiny.yaml", "--seed-noise", "-1"), "seed-noise", id="negative-noise"),
        pytest.param(
            ("tiny.yaml", "--set", "lr=0.1"), "needs a logarithmic range", id="fixed-rate"
        ),
        pytest.param(
            ("tiny.yaml", "--set", "question=grid"), "maps no boundary", id="other-question"
        ),
    ],
)
def test_what_cannot_be_simulated_is_refused(
    words: tuple[str, ...], complaint: str, rankfall: Rankfall
) -> None:
    result = rankfall(*words)
    assert result.exit_code == 2, result.output
    assert complaint in " ".join(result.stderr.split())
    assert "Traceback" not in result.output


def test_where_nothing_collapses_no_slice_gets_a_number() -> None:
    study = make_study(PlannerKind.BISECT, Question.BOUNDARY, (LR_AXIS,), trials=30)
    for bought in rehearse(study, WorldKind.NONE, repeats=3)[1:]:
        assert bought.verdicts == {"above": 1.0}
        assert bought.band_decades is bought.error_decades is bought.coverage is None


def test_noisier_seeds_buy_a_wider_band() -> None:
    study = make_study(PlannerKind.BISECT, Question.BOUNDARY, (LR_AXIS,), trials=40)
    quiet, noisy = (
        rehearse(study, WorldKind.SMOOTH, repeats=4, seed_noise=noise)[-1].band_decades
        for noise in (0.01, 0.3)
    )
    assert quiet is not None
    assert noisy is not None
    assert noisy > 2 * quiet


def test_every_simulation_is_noted() -> None:
    study = make_study(PlannerKind.BISECT, Question.BOUNDARY, (LR_AXIS,), trials=8)
    done: list[None] = []
    rehearse(study, WorldKind.CLIFF, repeats=2, note_done=lambda: done.append(None))
    assert len(done) == 2 * len(SHARES)
