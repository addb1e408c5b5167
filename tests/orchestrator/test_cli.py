"""The command line: its words, its exit codes, and that bad input leaves nothing behind."""

import json
import socket
from collections.abc import Callable
from contextlib import closing
from importlib.metadata import version
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from orchestrator import command_run
from orchestrator.cli import app
from orchestrator.command_plan import say_minutes
from orchestrator.folder import StudyFolder
from orchestrator.ledger import Ledger
from tests.orchestrator.fabricated import TEXT, fabricate, make_tiny, open_ledger, propose, told
from tests.orchestrator.test_folder import holder

Rankfall = Callable[..., Result]
COMMANDS = (
    *("run", "validate", "plan", "simulate", "report", "results", "export", "list", "ui"),
    *("rerun", "embed", "data", "claims"),
    *("submit", "resume", "retry", "jobs", "status", "logs", "cancel"),
    *("schedule", "serve", "doctor", "track"),
)


@pytest.fixture
def rankfall(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Rankfall:
    """The command line in an empty folder with one study file."""
    monkeypatch.chdir(tmp_path)
    for name in ("RAY_ADDRESS", "MLFLOW_TRACKING_URI", "RANKFALL_RESULTS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "200")
    (tmp_path / "tiny.yaml").write_text(TEXT)

    def invoke(*words: str) -> Result:
        return CliRunner().invoke(app, list(words))

    return invoke


def refusal(result: Result) -> str:
    """Return the one line that a refused command says."""
    assert result.exit_code == 2, result.output
    assert isinstance(result.exception, SystemExit)
    said = [line for line in result.stderr.splitlines() if line.startswith("error ")]
    assert len(said) == 1, result.stderr
    assert "Traceback" not in result.output
    return said[0]


def files_in(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself_with_an_example(command: str, rankfall: Rankfall) -> None:
    result = rankfall(command, "--help")
    assert result.exit_code == 0
    assert f"Example: rankfall {command}" in result.stdout


def test_help_lists_the_commands_and_says_where_to_start(rankfall: Rankfall) -> None:
    result = rankfall("--help")
    assert result.exit_code == 0
    assert "Start with: rankfall run demo" in result.stdout
    assert all(f" {command} " in result.stdout for command in COMMANDS)


def test_the_version_is_the_installed_one(rankfall: Rankfall) -> None:
    assert rankfall("--version").stdout == f"rankfall {version('rankfall')}\n"


@pytest.mark.parametrize("command", ["run", "validate", "plan"])
@pytest.mark.parametrize(
    ("override", "complaint"),
    [
        pytest.param("model.hiden=[8]", "unknown", id="unknown-key"),
        pytest.param("data.source=cifar-zero", "data.source", id="missing-data-source"),
        pytest.param("lr={low: 10, high: 1, log: true}", "lr", id="impossible-range"),
        pytest.param("train.batch_size=99999", "at most 1257", id="batch-too-large"),
        pytest.param("question=why", "boundary", id="unknown-question"),
    ],
)
def test_a_bad_study_is_refused_in_one_line(
    command: str, override: str, complaint: str, rankfall: Rankfall, tmp_path: Path
) -> None:
    assert complaint in refusal(rankfall(command, "tiny.yaml", "--set", override))
    assert files_in(tmp_path) == {"tiny.yaml"}


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        pytest.param(("run", "absent.yaml"), "absent.yaml", id="no-such-file"),
        pytest.param(("run", "absent"), "absent", id="no-such-study"),
        pytest.param(("run", "tiny.yaml", "--results", "tiny.yaml"), "--results", id="a-file"),
        pytest.param(
            ("run", "tiny.yaml", "--results", "tiny.yaml/below"), "--results", id="below-a-file"
        ),
        pytest.param(("run", "tiny.yaml", "--results", "/proc"), "--results", id="unwritable"),
        pytest.param(("report", "absent"), "'rankfall run' makes one", id="report-of-nothing"),
    ],
)
def test_a_wrong_path_is_refused_in_one_line(
    words: tuple[str, ...], complaint: str, rankfall: Rankfall, tmp_path: Path
) -> None:
    assert complaint in refusal(rankfall(*words))
    assert files_in(tmp_path) == {"tiny.yaml"}


@pytest.mark.parametrize("words", [("run",), ("run", "tiny.yaml", "--workers", "0"), ("fly",)])
def test_words_that_make_no_command_are_refused(
    words: tuple[str, ...], rankfall: Rankfall, tmp_path: Path
) -> None:
    assert rankfall(*words).exit_code == 2
    assert files_in(tmp_path) == {"tiny.yaml"}


def test_a_dead_cluster_is_refused_and_leaves_no_trace(
    rankfall: Rankfall, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        port = listener.getsockname()[1]
    monkeypatch.setenv("RAY_ADDRESS", f"127.0.0.1:{port}")
    said = refusal(rankfall("run", "tiny.yaml", "--results", "far/below"))
    assert f"no Ray cluster at RAY_ADDRESS=127.0.0.1:{port}" in said
    assert files_in(tmp_path) == {"tiny.yaml"}


@pytest.mark.parametrize("address", ["ray://head:10001", "head", ":6379", "head:port"])
def test_an_address_that_is_none_is_refused_with_the_form_it_takes(
    address: str, rankfall: Rankfall, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_ADDRESS", address)
    assert "expected host:port" in refusal(rankfall("run", "tiny.yaml"))
    assert files_in(tmp_path) == {"tiny.yaml"}


def test_a_refusal_leaves_the_other_studies_of_the_results_alone(
    rankfall: Rankfall, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "results" / "other"
    other.mkdir(parents=True)
    monkeypatch.setenv("RAY_ADDRESS", "head")
    refusal(rankfall("run", "tiny.yaml", "--results", "results"))
    assert files_in(tmp_path) == {"tiny.yaml", "results", "results/other"}


def test_a_study_that_was_begun_is_kept_when_the_cluster_is_gone(
    rankfall: Rankfall, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "results" / "tiny"
    folder.mkdir(parents=True)
    open_ledger(folder)
    monkeypatch.setenv("RAY_ADDRESS", "head")
    refusal(rankfall("run", "tiny.yaml", "--results", "results"))
    assert (folder / "ledger.journal").exists()


def test_a_study_that_another_process_runs_is_refused(rankfall: Rankfall, tmp_path: Path) -> None:
    folder = StudyFolder(tmp_path / "rankfall-results" / "tiny")
    folder.create()
    before = files_in(tmp_path)
    with holder(folder):
        assert "another process is running this study" in refusal(rankfall("run", "tiny.yaml"))
    assert files_in(tmp_path) == before | {"rankfall-results/tiny/study.lock"}


def test_an_mlflow_address_that_is_not_supported_is_refused(
    rankfall: Rankfall, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "file:///tmp/mlruns")
    assert "MLFLOW_TRACKING_URI" in refusal(rankfall("run", "tiny.yaml"))
    assert files_in(tmp_path) == {"tiny.yaml"}


def test_a_changed_study_is_refused_and_its_ledger_left_alone(
    rankfall: Rankfall, tmp_path: Path
) -> None:
    folder = tmp_path / "rankfall-results" / "tiny"
    folder.mkdir(parents=True)
    open_ledger(folder)
    content = (folder / "ledger.journal").read_bytes()
    assert "give the changed study a new name" in refusal(
        rankfall("run", "tiny.yaml", "--set", "seed=5")
    )
    assert (folder / "ledger.journal").read_bytes() == content


def test_ctrl_c_ends_with_130_and_says_how_to_go_on(
    rankfall: Rankfall, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The real signal is tried in tests/chaos; here only what is said, with words to be quoted.
    def interrupted(*_arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(command_run, "run_sweep", interrupted)
    monkeypatch.setattr("sys.argv", ["rankfall", "run", "tiny.yaml", "--set", "seeds=2 # two"])
    result = rankfall("run", "tiny.yaml")
    assert result.exit_code == 130
    assert "Go on with: rankfall run tiny.yaml --set 'seeds=2 # two'" in result.stderr


def test_validate_says_what_the_study_is_and_makes_nothing(
    rankfall: Rankfall, tmp_path: Path
) -> None:
    result = rankfall("validate", "tiny.yaml")
    assert result.exit_code == 0
    for words in (make_tiny().digest, "boundary, answered by bisect", "lr from 0.01 to 100 (log)"):
        assert words in result.stdout
    assert files_in(tmp_path) == {"tiny.yaml"}


def test_the_plan_is_raw_in_json_and_in_words_for_people(
    rankfall: Rankfall, tmp_path: Path
) -> None:
    raw = json.loads(rankfall("plan", "tiny.yaml", "--json").stdout)
    assert 1 <= raw["trials"] <= 30
    assert raw["milliseconds_per_member_step"] > 0
    assert raw["wall_minutes"] > 0.75
    said = rankfall("plan", "tiny.yaml").stdout
    assert f"on the {raw['cores']} cores of this machine" in " ".join(said.split())
    assert f"for {raw['trials']} trials in {raw['rounds']} rounds" in " ".join(said.split())
    assert max(len(number) for number in said.split() if number.replace(".", "").isdigit()) <= 8
    assert files_in(tmp_path) == {"tiny.yaml"}


@pytest.mark.parametrize(
    ("minutes", "words"),
    [
        (0.2, "a minute"),
        (3.4, "3 minutes"),
        (89.0, "89 minutes"),
        (150.0, "2.5 hours"),
        (6000.0, "4.2 days"),
    ],
)
def test_minutes_are_said_as_coarsely_as_they_are_known(minutes: float, words: str) -> None:
    assert say_minutes(minutes) == words


def test_the_listing_counts_each_study_and_names_one_it_cannot_read(
    rankfall: Rankfall, tmp_path: Path
) -> None:
    for name in ("broken", "tiny"):
        (tmp_path / name).mkdir()
    (tmp_path / "broken" / "ledger.journal").write_text("nonsense\nnonsense\n")
    ledger = open_ledger(tmp_path / "tiny")
    finish_some(ledger)
    broken, tiny = json.loads(rankfall("list", "--results", ".", "--json").stdout)
    assert (broken["study"], broken["finished"]) == ("broken", None)
    assert "not a journal that Optuna wrote" in broken["problem"]
    assert (tiny["study"], tiny["problem"], tiny["budget"]) == ("tiny", None, 30)
    assert (tiny["finished"], tiny["pending"], tiny["missing"]) == (2, 1, 1)
    table = rankfall("list", "--results", ".")
    assert table.exit_code == 0
    assert "not a journal" in table.stdout


def test_the_listing_of_an_empty_folder_says_how_to_begin(rankfall: Rankfall) -> None:
    assert "rankfall run demo" in rankfall("list").stdout
    assert json.loads(rankfall("list", "--json").stdout) == []


def finish_some(ledger: Ledger) -> None:
    """Ask four trials: two finish, one fails, one is still to do."""
    ledger.add_round(propose(0.1, 1.0, 3.0, 10.0))
    keys = list(told(ledger))
    for key in keys[:2]:
        ledger.tell(fabricate(key))
    ledger.tell_missing(keys[2], "a lost node")
