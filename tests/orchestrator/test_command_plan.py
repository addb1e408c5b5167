"""rankfall plan: times told by real ledgers and by a real MLflow store, GPU-hours, refusals."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from orchestrator.cli import app
from orchestrator.command_plan import Place, plan_study, this_machine
from orchestrator.errors import ClusterError, EarlierTimesError
from orchestrator.lane_plan import LaneRequest, Node
from orchestrator.ledger import Ledger
from orchestrator.timed_by import TimedBy
from orchestrator.timing import START_SECONDS
from orchestrator.tracking import Tracker
from tests.orchestrator.claims.laboratory import PROVENANCE
from tests.orchestrator.dashboard import Dashboard
from tests.orchestrator.fabricated import TEXT, fabricate, make_tiny, propose, told
from tests.orchestrator.http_servers import serving
from tests.orchestrator.test_cli import refusal

pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader:DeprecationWarning")

RATES = tuple(0.02 * n for n in range(1, 13))
SECONDS = 0.5
"""Every trial of 4 steps took so long: 0.125 s a step."""


def fill(results: Path, *overrides: str) -> Ledger:
    """Put an earlier study below a results folder."""
    study = make_tiny("study=earlier", *overrides)
    (results / "earlier").mkdir(parents=True)
    ledger = Ledger.open(results / "earlier" / "ledger.journal", study)
    ledger.set_provenance(PROVENANCE)
    ledger.add_round([*propose(*RATES), *propose(*RATES, kind="supcon")])
    for key in told(ledger):
        ledger.tell(fabricate(key).model_copy(update={"seconds": SECONDS}))
    return ledger


def plan(results: Path, timed_by: TimedBy, place: Place | None = None) -> dict[str, object]:
    return plan_study(make_tiny(), place or this_machine(), LaneRequest(), results, timed_by)


def test_a_study_that_was_run_before_is_timed_by_its_ledger(tmp_path: Path) -> None:
    # Other temperature and seeds cost the same.
    fill(tmp_path, "objective.temperature=0.5", "seeds=5")
    planned = plan(tmp_path, TimedBy.AUTO)
    assert planned["timed_by"] == "ledgers"
    assert "24 earlier trials" in str(planned["timed_on"])
    assert planned["milliseconds_per_member_step"] == pytest.approx(125.0)
    assert planned["core_minutes"] == pytest.approx(
        int(str(planned["trial_steps"])) * 0.125 / 60, rel=1e-6
    )


def test_mlflow_tells_what_the_ledgers_that_it_shows_would(
    tmp_path: Path, database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = fill(tmp_path / "elsewhere")
    uri = f"sqlite:///{database}"
    Tracker(uri, database.parent / "artifacts", ledger.identity).sync(
        ledger.study, ledger.records(), PROVENANCE
    )
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    by_mlflow = plan(tmp_path, TimedBy.EARLIER)
    by_ledgers = plan(tmp_path / "elsewhere", TimedBy.EARLIER)
    assert by_mlflow.pop("timed_by") == "mlflow"
    assert by_ledgers.pop("timed_by") == "ledgers"
    assert "in MLflow" in str(by_mlflow.pop("timed_on"))
    by_ledgers.pop("timed_on")
    assert by_mlflow == by_ledgers


@pytest.mark.parametrize("override", ["train.batch_size=64", "model.hidden=[16]"])
def test_studies_of_another_cost_tell_nothing(override: str, tmp_path: Path) -> None:
    fill(tmp_path, override)
    with pytest.raises(EarlierTimesError, match="take --timed-by probe"):
        plan(tmp_path, TimedBy.EARLIER)
    assert plan(tmp_path, TimedBy.AUTO)["timed_by"] == "probe"


def test_gpus_are_held_from_the_start_to_the_end(tmp_path: Path) -> None:
    fill(tmp_path)
    place = Place("a cluster", [Node(16, 4), Node(16, 4)])
    planned = plan(tmp_path, TimedBy.EARLIER, place)
    assert (planned["lanes"], planned["workers_per_lane"]) == (2, 4)
    minutes = float(str(planned["wall_minutes"]))
    assert minutes > START_SECONDS / 60
    assert planned["gpu_hours"] == pytest.approx(8 * minutes / 60)
    on_cpus = plan(tmp_path, TimedBy.EARLIER, Place("a cluster", [Node(16)]))
    assert on_cpus["gpu_hours"] == 0
    with pytest.raises(ClusterError, match="ask for at most"):
        plan_study(make_tiny(), place, LaneRequest(lanes=9, workers=4), tmp_path)


@pytest.fixture
def rankfall(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """The command line in a folder with a study and an earlier one of its kind."""
    monkeypatch.chdir(tmp_path)
    for name in ("RAY_ADDRESS", "RAY_API_SERVER_ADDRESS", "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("RANKFALL_RESULTS", str(tmp_path / "maps"))
    (tmp_path / "tiny.yaml").write_text(TEXT)
    fill(tmp_path / "maps")

    def invoke(*words: str, typed: str = "") -> Result:
        return CliRunner().invoke(app, list(words), input=typed)

    return invoke


def test_plan_and_submit_say_the_same_of_a_cluster(rankfall: Callable[..., Result]) -> None:
    dashboard = Dashboard()
    dashboard.nodes = [{"CPU": 8.0, "GPU": 2.0}, {"CPU": 8.0, "GPU": 2.0}]
    with serving(dashboard.answers(), otherwise=(200, "{}")) as server:
        asked = rankfall("plan", "tiny.yaml", "--address", server.url, "--json")
        planned = json.loads(asked.stdout)
        assert planned["where"] == f"the cluster at {server.url}"
        assert (planned["lanes"], planned["workers_per_lane"]) == (2, 2)
        assert planned["gpu_hours"] > 0
        submitted = rankfall("submit", "tiny.yaml", "--address", server.url, typed="n\n")
    assert submitted.exit_code == 0, submitted.output
    said = " ".join(submitted.stderr.split())
    assert f"{planned['gpu_hours']:.3g} GPU-hours" in said
    assert "timed by 24 earlier trials" in said
    assert f"{planned['cohorts']}" in said


def test_a_cluster_that_cannot_be_asked_is_said_and_still_can_be_submitted_to(
    rankfall: Callable[..., Result],
) -> None:
    dashboard = Dashboard()
    with serving(dashboard.answers(), otherwise=(200, "{}")) as server:
        submitted = rankfall("submit", "tiny.yaml", "--address", server.url, typed="y\n")
    assert submitted.exit_code == 0, submitted.output
    assert "not timed" in submitted.stderr
    assert len(dashboard.taken) == 1


def test_a_dead_address_refuses_a_plan(rankfall: Callable[..., Result]) -> None:
    assert "no Ray cluster" in refusal(
        rankfall("plan", "tiny.yaml", "--address", "http://127.0.0.1:9")
    )
