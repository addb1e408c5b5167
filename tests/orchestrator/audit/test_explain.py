"""rankfall explain: lists, explains, refuses; with a real MLflow store and a real rerun command."""

import json
import os
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from orchestrator.audit.number import Family, identify
from orchestrator.cli_explain import app
from orchestrator.cli_rerun import app as rerun_app
from orchestrator.ledger import Ledger
from orchestrator.mlflow_store import locate_store
from orchestrator.tracking import Tracker
from tests.orchestrator.claims.laboratory import PROVENANCE
from tests.orchestrator.test_rerun import PLAIN, train_all

pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader:DeprecationWarning")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Ledger]:
    """A results folder with a study that was really trained."""
    results = tmp_path_factory.mktemp("results")
    ledger = train_all(results, PLAIN)
    ledger.set_provenance(PROVENANCE)
    return results, ledger


def explain(results: Path, *words: str) -> tuple[int, str]:
    found = CliRunner().invoke(app, [*words, "--results", str(results)], env={"COLUMNS": "300"})
    return found.exit_code, found.output


def score_number(ledger: Ledger, place: int) -> str:
    record = [r for r in ledger.records() if r.outcome and r.outcome.measures][place]
    return identify(ledger.study, Family.TRIAL, record.key, "score")


def test_all_numbers_are_listed_with_what_they_are(trained: tuple[Path, Ledger]) -> None:
    results, ledger = trained
    code, said = explain(results, "small")
    assert code == 0
    assert identify(ledger.study, Family.COST, "trial_steps") in said
    assert "24 more of single trials" in said
    code, said = explain(results, "small", "--json")
    listed = json.loads(said)
    assert len(listed) == len({each["id"] for each in listed})
    assert score_number(ledger, 0) in {each["id"] for each in listed}


def test_a_number_of_one_trial_is_made_again_by_the_command_it_names(
    trained: tuple[Path, Ledger],
) -> None:
    results, ledger = trained
    code, said = explain(results, "small", score_number(ledger, 1), "--json", "--no-mlflow")
    assert code == 0
    content = json.loads(said)
    (trial,) = content["trials"]
    record = ledger.records()[trial["number"]]
    assert record.outcome is not None
    assert (content["value"], trial["seed"]) == (record.outcome.score, record.seed)
    assert content["seeds"] == [record.seed]
    assert (content["study_digest"], content["git_commit"]) == (ledger.study.digest, "abc")
    program, command, *words = shlex.split(content["command"])
    assert (program, command) == ("rankfall", "rerun")
    again = CliRunner().invoke(rerun_app, ["rerun", *words])
    assert again.exit_code == 0, again.output
    assert "equal to the ledger in every bit" in " ".join(again.output.split())


def test_a_number_of_many_trials_names_all_of_them(trained: tuple[Path, Ledger]) -> None:
    results, ledger = trained
    steps = identify(ledger.study, Family.COST, "trial_steps")
    code, said = explain(results, "small", steps[:-2], "--no-mlflow")
    assert code == 0, "the beginning of an id will do"
    for record in ledger.records():
        assert str(record.seed) in said
    done = sum(record.outcome.steps_done for record in ledger.records() if record.outcome)
    for words in (
        steps,
        str(done),
        "abc",
        ledger.study.digest,
        "not recorded",
        "rankfall report small",
    ):
        assert words in said


@pytest.mark.parametrize("wanted", ["b-00000000", "t-", "nonsense"])
def test_an_unknown_number_is_one_clear_line_that_names_close_ones(
    wanted: str, trained: tuple[Path, Ledger]
) -> None:
    results, _ = trained
    code, said = explain(results, "small", wanted)
    assert code == 2
    assert len(said.strip().splitlines()) == 1
    assert repr(wanted) in said
    assert ("close to it: t-" in said) == (wanted == "t-")
    assert explain(results, "absent")[0] == 2


def test_a_typing_error_is_answered_with_the_number_that_was_meant(
    trained: tuple[Path, Ledger],
) -> None:
    results, ledger = trained
    meant = identify(ledger.study, Family.COST, "trial_steps")
    wrong = meant[:4] + ("0" if meant[4] != "0" else "1") + meant[5:]
    code, said = explain(results, "small", wrong)
    assert code == 2
    assert meant in said


def test_tracked_trials_are_named_with_their_mlflow_runs(
    trained: tuple[Path, Ledger], database: Path
) -> None:
    results, ledger = trained
    store = results / "mlflow.db"
    os.replace(database, store)
    try:
        assert "not tracked in MLflow" in explain(results, "small", score_number(ledger, 0))[1]
        own = locate_store(results, {})
        Tracker(own.uri, own.artifact_root, ledger.identity).sync(
            ledger.study, ledger.records(), PROVENANCE
        )
        code, said = explain(results, "small", score_number(ledger, 0), "--json")
        (trial,) = json.loads(said)["trials"]
        assert code == 0
        assert len(trial["mlflow_run"]) == 32
        assert trial["mlflow_run"] in explain(results, "small", score_number(ledger, 0))[1]
    finally:
        store.unlink()
    assert "no MLflow database here" in explain(results, "small", score_number(ledger, 0))[1]
