"""Studies on a real cluster by Ray Jobs: submitted, watched, cancelled, and gone on with.

One head with token authentication and three CPUs, each study on one worker. The story comes last,
for it kills the head and starts another one in its place.
"""

import json
import secrets
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import optuna
import pytest
from mlflow import MlflowClient

from orchestrator.journal import open_journal
from orchestrator.ledger import Ledger
from orchestrator.record import TrialState
from tests.integration.clusters import HeadPlace, kill_head, prepare_head, running_head
from tests.runs import PARENT, RANKFALL, run, started, wait_until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(2400),
    pytest.mark.filterwarnings("ignore:The ``noload`` loader:DeprecationWarning"),
]

STUDY = """\
study: {name}
question: boundary
data: {{source: digits}}
model: {{encoder: mlp, hidden: [16], embed_dim: 8, norm: layer}}
train: {{batch_size: 64, steps: {steps}}}
objective: {{kind: infonce, temperature: 0.1}}
lr: {{low: 1.0e-2, high: 100, log: true}}
seeds: 1
collapse: {{below: 2.0, every_steps: 20, settle_checks: 0}}
budget: {{trials: 8, band_decades: 0.2}}
"""
SHORT, LONG = 40, 10_000  # steps: seconds, and long enough to be met at work


class Desk:
    """A researcher's folder, and the command line typed there."""

    def __init__(self, folder: Path, place: HeadPlace) -> None:
        self.folder = folder
        self.results = folder / "my results"
        self.environment = {**place.authentication, "RAY_ADDRESS": place.dashboard}

    def write_study(self, name: str, steps: int) -> None:
        (self.folder / f"{name}.yaml").write_text(STUDY.format(name=name, steps=steps))

    def type(self, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return run(self.folder, [str(RANKFALL), *words], {**self.environment, **environment})

    def submit(self, name: str, *words: str) -> str:
        """Submit a study and return its id."""
        given = ("--results", str(self.results), "--workers", "1", "-y", "--json", *words)
        result = self.type("submit", f"{name}.yaml", *given)
        assert result.returncode == 0, result.stderr
        return str(json.loads(result.stdout)["id"])

    def status(self, job_id: str) -> dict[str, Any]:
        result = self.type("status", job_id, "--json")
        assert result.returncode == 0, result.stderr
        return dict(json.loads(result.stdout))

    def ledger(self, name: str) -> Path:
        return self.results / name / "ledger.journal"

    def finished(self, name: str) -> int:
        """Return how many trials of a study have an outcome in the ledger."""
        path = self.ledger(name)
        if not path.exists() or b'"digest"' not in path.read_bytes():
            return 0
        records = Ledger.load(path).records()
        return sum(record.state is TrialState.FINISHED for record in records)

    def mlflow_statuses(self, name: str) -> Counter[tuple[str, bool]]:
        """Return how many runs of a study have each status, and whether they are parents."""
        client = MlflowClient(f"sqlite:///{self.results / 'mlflow.db'}")
        experiment = client.get_experiment_by_name(f"rankfall/{name}")
        assert experiment is not None
        runs = client.search_runs([experiment.experiment_id])
        return Counter((run.info.status, PARENT not in run.data.tags) for run in runs)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> HeadPlace:
    return prepare_head(tmp_path_factory.mktemp("head"), cpus=3, lowest_worker_port=24000)


@pytest.fixture(scope="module")
def head(place: HeadPlace) -> Iterator[subprocess.Popen[str]]:
    with running_head(place) as process:
        yield process


@pytest.fixture(scope="module")
def desk(place: HeadPlace, tmp_path_factory: pytest.TempPathFactory) -> Desk:
    return Desk(tmp_path_factory.mktemp("desk"), place)


def refusal(result: subprocess.CompletedProcess[str]) -> str:
    """Return the one line that a refused command says."""
    assert result.returncode == 2, result.stderr
    (line,) = result.stderr.splitlines()
    return line


@pytest.mark.usefixtures("head")
def test_tokens_that_are_wrong_missing_or_unreadable_are_refused_in_one_line(
    desk: Desk, tmp_path: Path
) -> None:
    wrong = secrets.token_hex(32)
    said = refusal(desk.type("jobs", RAY_AUTH_TOKEN_PATH="", RAY_AUTH_TOKEN=wrong))
    assert "refuses the token" in said
    assert wrong not in said
    assert "asks for a token" in refusal(desk.type("jobs", RAY_AUTH_MODE="disabled"))
    absent = str(tmp_path / "absent")
    assert "names no file" in refusal(desk.type("jobs", RAY_AUTH_TOKEN_PATH=absent))


@pytest.mark.usefixtures("head")
def test_a_head_is_found_by_its_own_address_too_and_a_wrong_interpreter_is_named(
    desk: Desk, place: HeadPlace
) -> None:
    desk.write_study("nowhere", SHORT)
    job_id = desk.submit("nowhere", "--python", "/nowhere/bin/python")
    result = desk.type("logs", "nowhere", "-f", RAY_ADDRESS=place.address)
    assert result.returncode == 0, result.stderr
    assert "/nowhere/bin/python" in result.stdout
    status = desk.status(job_id)
    assert (status["state"], status["exit_code"]) == ("FAILED", 1)
    assert "cannot start /nowhere/bin/python" in status["reason"]


def test_three_studies_two_watched_one_cancelled_and_resumed_across_the_death_of_the_head(
    desk: Desk, place: HeadPlace, head: subprocess.Popen[str]
) -> None:
    desk.write_study("one", SHORT)
    desk.write_study("two", SHORT)
    desk.write_study("long", LONG)
    assert desk.submit("long") == "long-1"
    assert desk.submit("one") == "one-1"
    again = desk.type("submit", "long.yaml", "--results", str(desk.results), "-y")
    assert "long-1 is" in refusal(again)

    two = ("submit", "two.yaml", "--results", str(desk.results), "--workers", "1", "-y", "--wait")
    with started(desk.folder, [str(RANKFALL), *two], desk.environment) as watcher:
        wait_until(lambda: desk.finished("long") > 0, "an outcome of the long study", head)
        cancelled = desk.type("cancel", "long")
        assert cancelled.returncode == 0, cancelled.stderr
        assert "long-1 ended (STOPPED)" in cancelled.stderr
        kept = desk.finished("long")
        assert 0 < kept < 8, "cancelled too late to show anything"
        said = (desk.folder / "output.txt").read_text
        assert watcher.wait(timeout=1200) == 0, said()
        assert "8 of about 8 trials told" in said()
        assert "two-1 ended (SUCCEEDED)" in said()
    followed = desk.type("logs", "one-1", "-f")
    assert followed.returncode == 0, followed.stderr
    assert "8 of about 8 trials told" in followed.stdout

    assert desk.status("long-1")["exit_code"] == 130
    assert "stopped; finished trials are kept" in desk.type("logs", "long-1").stdout
    assert any((desk.results / "long" / "scratch" / "checkpoints").glob("*.safetensors"))
    assert desk.mlflow_statuses("long") == {("KILLED", True): 1, ("FINISHED", False): kept}

    resumed = desk.type("resume", "long-1", "--json")
    assert json.loads(resumed.stdout)["id"] == "long-2", resumed.stderr
    wait_until(lambda: desk.finished("long") > kept, "an outcome after the resume", head)
    kill_head(head)
    assert desk.finished("long") < 8, "killed too late to show anything"
    assert "no Ray cluster" in refusal(desk.type("status", "long-2"))

    with running_head(place) as second:
        # This head knows of nothing: the study comes from its ledger.
        words = ("resume", "long-2", "--results", str(desk.results), "--workers", "1", "--wait")
        with started(desk.folder, [str(RANKFALL), *words], desk.environment) as process:
            assert process.wait(timeout=1200) == 0, (desk.folder / "output.txt").read_text()
        assert second.poll() is None
        listed = json.loads(desk.type("jobs", "--json").stdout)
        assert [(row["id"], row["state"]) for row in listed] == [("long-3", "SUCCEEDED")]

    for name in ("one", "two", "long"):
        assert_every_trial_once(desk, name)


def assert_every_trial_once(desk: Desk, name: str) -> None:
    """Compare what Rankfall, plain Optuna and MLflow have of a study that is done."""
    records = Ledger.load(desk.ledger(name)).records()
    assert {record.state for record in records} == {TrialState.FINISHED}
    trials = optuna.load_study(study_name=name, storage=open_journal(desk.ledger(name))).trials
    assert Counter(t.user_attrs["key"] for t in trials) == Counter(r.key for r in records)
    assert len({record.key for record in records}) == len(records) == 8
    assert desk.mlflow_statuses(name) == {("FINISHED", True): 1, ("FINISHED", False): 8}
