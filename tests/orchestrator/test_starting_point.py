"""A study that starts from another's ledger: read once, kept, and refused with reasons."""

import json
import shutil
from pathlib import Path

import pytest

from orchestrator.collapse_map import build_map
from orchestrator.conductor import Conductor
from orchestrator.errors import PriorError
from orchestrator.ledger import Ledger
from orchestrator.map_file import to_json
from orchestrator.provenance import read_provenance
from orchestrator.starting_point import with_start
from search_spaces.load import parse_study
from search_spaces.study import Study
from tests.orchestrator.fabricated import CRITICAL_LR, TEXT, fabricate, lr_of
from tests.orchestrator.test_cli import Rankfall, rankfall, refusal
from trainer.cohort import Outcome
from trainer.collapse.regime import Regime
from trainer.outbox import Outbox

__all__ = ["rankfall"]  # a fixture

EARLIER = TEXT.replace("question: boundary", "question: boundary\nplanner: surface")
LATER = EARLIER.replace("study: tiny", "study: next\nprior: tiny")


def open_sweep(text: str, results: Path) -> tuple[Conductor, Ledger]:
    """Open a study's ledger and conductor as ``rankfall run`` does."""
    study = with_start(parse_study(text, "study.yaml", ()), results)
    folder = results / study.name
    folder.mkdir(parents=True, exist_ok=True)
    ledger = Ledger.open(folder / "ledger.journal", study)
    return Conductor(ledger, Outbox(folder / "outbox")), ledger


def learn(key: str) -> Outcome:
    """Return a fabricated outcome whose score falls with the learning rate, as a surface needs."""
    outcome = fabricate(key)
    score = 2.0 * (CRITICAL_LR / lr_of(key)) ** 0.4
    is_healthy = outcome.regime is Regime.HEALTHY
    return outcome.model_copy(update={"score": max(score, 2.0) if is_healthy else min(score, 1.99)})


def take_round(conductor: Conductor) -> None:
    """Train everything that is open, without training."""
    for hand in iter(conductor.next_hand, None):
        conductor.take([learn(member.trial) for pack in hand for member in pack.members])


def run(text: str, results: Path) -> Ledger:
    """Run a study to its end."""
    conductor, ledger = open_sweep(text, results)
    take_round(conductor)
    assert conductor.is_finished
    return ledger


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A results folder with the earlier study, finished."""
    results = tmp_path_factory.mktemp("results")
    run(EARLIER, results)
    return results


@pytest.fixture
def results(finished: Path, tmp_path: Path) -> Path:
    """A copy of that folder."""
    return Path(shutil.copytree(finished, tmp_path / "results"))


def later_study() -> Study:
    return parse_study(LATER, "study.yaml", ())


def test_a_begun_study_asks_the_same_whatever_became_of_its_prior(results: Path) -> None:
    whole = run(LATER, Path(shutil.copytree(results, results.parent / "whole")))
    conductor, _ = open_sweep(LATER, results)
    hand = conductor.next_hand()
    assert hand is not None
    conductor.take([learn(member.trial) for member in hand[0].members])
    shutil.rmtree(results / "tiny")
    resumed = run(LATER, results)
    assert resumed.rounds == whole.rounds
    assert resumed.study.start == whole.study.start
    assert to_json(build_map(resumed.study, resumed.records())) == to_json(
        build_map(whole.study, whole.records())
    )


def test_a_ledger_keeps_its_prior_and_not_a_newer_one(results: Path) -> None:
    _, ledger = open_sweep(LATER, results)
    assert ledger.study.start is not None
    shutil.rmtree(results / "tiny")
    run(EARLIER.replace("seeds: 2", "seeds: 3"), results)
    fresh = with_start(later_study(), results)
    assert fresh.start == ledger.study.start
    loaded = Ledger.load(results / "next" / "ledger.journal")
    assert loaded.study.start == ledger.study.start
    assert loaded.study.digest == ledger.study.digest


def test_the_prior_changes_what_is_asked_first(results: Path) -> None:
    _, with_prior = open_sweep(LATER, results)
    _, without = open_sweep(LATER.replace("prior: tiny\n", ""), results.parent / "other")
    assert with_prior.rounds[0] != without.rounds[0]


def test_the_map_names_the_prior_and_whether_it_stands(results: Path) -> None:
    ledger = run(LATER, results)
    start = ledger.study.start
    assert start is not None
    prior = json.loads(to_json(build_map(ledger.study, ledger.records())))["study"]["prior"]
    assert prior == {
        "study": "tiny",
        "study_digest": parse_study(EARLIER, "study.yaml", ()).digest,
        "findings_digest": start.findings_digest,
        "digest": start.digest,
        "places": 2,
        "is_kept": True,
    }


def test_a_prior_can_itself_have_had_one(results: Path) -> None:
    run(LATER, results)
    third = LATER.replace("study: next\nprior: tiny", "study: third\nprior: next")
    _, ledger = open_sweep(third, results)
    assert ledger.study.start is not None
    assert ledger.study.start.study == "next"


def test_the_name_of_the_prior_is_part_of_the_study() -> None:
    other, none = LATER.replace("prior: tiny", "prior: other"), LATER.replace("prior: tiny\n", "")
    texts = (LATER, other, none)
    assert len({parse_study(text, "study.yaml", ()).digest for text in texts}) == 3


def test_a_ledger_without_the_prior_is_not_started(tmp_path: Path) -> None:
    with pytest.raises(PriorError, match="of which nothing is known here"):
        Ledger.open(tmp_path / "ledger.journal", later_study())


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        pytest.param(
            "prior: tiny",
            "prior: next",
            "s.yaml:2: prior: expected another study's name, got this one's own",
            id="itself",
        ),
        pytest.param(
            "planner: surface",
            "planner: bisect",
            "s.yaml:2: prior: only planner: surface uses it, and this is planner: bisect; add "
            "planner: surface, or leave prior out",
            id="bisect",
        ),
        pytest.param(
            "question: boundary\nplanner: surface",
            "question: grid",
            "s.yaml:2: prior: only question: boundary uses it, and this is question: grid; leave "
            "it out or change the question",
            id="grid",
        ),
        pytest.param(
            "prior: tiny", "prior: ../tiny", "s.yaml:2: prior: expected letters", id="a-path"
        ),
    ],
)
def test_a_prior_that_cannot_be_is_refused_with_its_line(
    old: str, new: str, message: str, rankfall: Rankfall, tmp_path: Path
) -> None:
    assert old in LATER
    (tmp_path / "s.yaml").write_text(LATER.replace(old, new))
    assert message in refusal(rankfall("run", "s.yaml"))
    assert not (tmp_path / "results").exists()


def test_a_prior_without_a_ledger_is_refused_and_leaves_nothing(
    rankfall: Rankfall, tmp_path: Path
) -> None:
    (tmp_path / "s.yaml").write_text(LATER)
    said = refusal(rankfall("run", "s.yaml", "--results", "far", "--no-mlflow"))
    assert "there is no ledger here; run the study tiny first" in said
    assert not (tmp_path / "far").exists()


def test_a_prior_without_an_answer_is_refused(rankfall: Rankfall, tmp_path: Path) -> None:
    open_sweep(EARLIER, tmp_path / "far")
    (tmp_path / "s.yaml").write_text(LATER)
    said = refusal(rankfall("run", "s.yaml", "--results", "far", "--no-mlflow"))
    assert "prior: tiny has not found a critical learning rate in any slice" in said
    assert not (tmp_path / "far" / "next").exists()


def test_a_plan_and_a_simulation_say_that_they_leave_the_prior_out(
    rankfall: Rankfall, tmp_path: Path
) -> None:
    (tmp_path / "s.yaml").write_text(LATER)
    assert "prior" in rankfall("validate", "s.yaml").stdout
    planned = rankfall("plan", "s.yaml")
    assert "Planned as if without its prior, tiny." in " ".join(planned.stdout.split())
    simulated = json.loads(rankfall("simulate", "s.yaml", "--repeats", "1", "--json").stdout)
    assert simulated["prior_not_counted"] == "tiny"


def test_the_report_names_the_prior(rankfall: Rankfall, results: Path) -> None:
    ledger = run(LATER, results)
    assert ledger.study.start is not None
    ledger.set_provenance(read_provenance(["rankfall", "run", "s.yaml"]))
    assert rankfall("report", "next", "--results", str(results)).exit_code == 0
    page = (results / "next" / "report" / "report.html").read_text()
    assert f"<dt>Prior</dt><dd>tiny <code>{ledger.study.start.digest}</code></dd>" in page
