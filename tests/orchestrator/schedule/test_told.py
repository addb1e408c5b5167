"""What is read from a ledger, and who is told that a boundary moved."""

import json
import logging
import math
from dataclasses import replace
from pathlib import Path

import pytest
from mlflow import MlflowClient

from orchestrator.errors import ScheduleError
from orchestrator.ledger import Ledger
from orchestrator.mlflow_store import Store
from orchestrator.provenance import read_provenance
from orchestrator.schedule.ledger_reader import LedgerReader
from orchestrator.schedule.loud_herald import (
    MOVED_TAG,
    LoudHerald,
    make_message,
    read_webhook,
)
from orchestrator.schedule.movement import Move
from orchestrator.schedule.schedule import Firing, FiringState
from orchestrator.tracking import Tracker
from tests.orchestrator.fabricated import (
    CRITICAL_LR,
    fabricate,
    open_ledger,
    propose,
    told,
)
from tests.orchestrator.http_servers import serving
from tests.orchestrator.schedule.cases import STUDY_REQUEST
from tests.orchestrator.schedule.test_admission import make_firing

RATES = (0.01, 0.1, 0.5, 1.0, 1.4, 2.1, 4.0, 10.0, 100.0)
SECRET = "T0k3nOfAChat"


def fill(results: Path, *, rates: tuple[float, ...] = RATES) -> Ledger:
    """Put a finished tiny study below a results folder."""
    (results / "tiny").mkdir(parents=True)
    ledger = open_ledger(results / "tiny")
    ledger.add_round(propose(*rates, replicates=2))
    for key in told(ledger):
        ledger.tell(fabricate(key))
    return ledger


def moved_firing(results: Path, **changes: object) -> Firing:
    request = STUDY_REQUEST.model_copy(update={"study": "tiny", "results": str(results)})
    firing = make_firing(1, state=FiringState.SUCCEEDED, alert_decades=0.2, has_moved=True)
    moves = (Move("t=1", 0.5), Move("t=2", 0.1))
    return replace(firing, request=request, moves=moves, **changes)  # type: ignore[arg-type]


def test_a_ledgers_boundaries_are_read_slice_by_slice(tmp_path: Path) -> None:
    ledger = fill(tmp_path)
    request = STUDY_REQUEST.model_copy(update={"study": "tiny", "results": str(tmp_path)})
    found = LedgerReader().read(request)
    assert found.obstacle is None
    outcomes = [record.outcome for record in ledger.records() if record.outcome is not None]
    assert found.trial_hours == pytest.approx(sum(o.seconds for o in outcomes) / 3600)
    infonce, supcon = found.boundaries
    assert (infonce.slice, infonce.verdict) == ("objective.kind=infonce", "inside")
    assert infonce.low is not None
    assert infonce.high is not None
    assert infonce.low < math.log10(CRITICAL_LR) < infonce.high
    # Nothing was tried of the other objective: any boundary is possible.
    assert (supcon.verdict, supcon.low, supcon.high) == ("undecided", None, None)


@pytest.mark.parametrize(
    ("rates", "verdict", "low", "high"),
    [((0.01, 0.05, 0.1), "undecided", None, None), ((0.01, 0.1, 100.0), "inside", -1.0, 2.0)],
)
def test_what_is_known_of_a_boundary_is_an_interval(
    rates: tuple[float, ...], verdict: str, low: float | None, high: float | None, tmp_path: Path
) -> None:
    fill(tmp_path, rates=rates)
    request = STUDY_REQUEST.model_copy(update={"study": "tiny", "results": str(tmp_path)})
    found = LedgerReader().read(request).boundaries[0]
    assert found.verdict == verdict
    if low is None:
        assert (found.low, found.high) == (None, None)
    else:
        assert found.low is not None
        assert found.high is not None
        assert high is not None
        assert low - 1 < found.low < found.high < high + 1


def test_a_ledger_that_is_away_or_broken_is_told_and_stops_nobody(tmp_path: Path) -> None:
    request = STUDY_REQUEST.model_copy(update={"study": "tiny", "results": str(tmp_path)})
    away = LedgerReader().read(request)
    assert "cannot be seen from here" in str(away.obstacle)
    (tmp_path / "tiny").mkdir()
    (tmp_path / "tiny" / "ledger.journal").write_text("no journal\n")
    broken = LedgerReader().read(request)
    assert "cannot be read" in str(broken.obstacle)
    assert (broken.trial_hours, broken.boundaries) == (None, ())


def test_the_log_the_run_and_the_webhook_are_told(
    tmp_path: Path, database: Path, caplog: pytest.LogCaptureFixture
) -> None:
    ledger = fill(tmp_path)
    uri = f"sqlite:///{database}"
    ledger.set_provenance(read_provenance(["rankfall"]))
    tracker = Tracker(uri, tmp_path, ledger.identity)
    tracker.sync(ledger.study, ledger.records(), ledger.provenance)
    firing = moved_firing(tmp_path)
    with serving({f"POST /{SECRET}": (200, "ok")}) as server, caplog.at_level(logging.WARNING):
        LoudHerald(uri, f"{server.url}/{SECRET}").announce(firing)
        ((_, _, body),) = server.requests
    message = json.loads(body)
    assert message == make_message(firing)
    assert message["moves"] == [{"slice": "t=1", "decades": 0.5}, {"slice": "t=2", "decades": 0.1}]
    assert message["text"].endswith("the critical learning rate moved: 0.50 decades up at t=1")
    assert caplog.messages == [message["text"]]
    client = MlflowClient(Store(uri, None).uri)
    experiment = client.get_experiment_by_name("rankfall/tiny")
    assert experiment is not None
    tagged = [
        run.data.tags[MOVED_TAG]
        for run in client.search_runs([experiment.experiment_id])
        if MOVED_TAG in run.data.tags
    ]
    assert tagged == ["0.50 decades up at t=1"]


@pytest.mark.parametrize("answer", [(500, "no"), (302, "elsewhere")])
def test_what_cannot_be_told_is_logged_and_the_address_is_not(
    answer: tuple[int, str], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    request = {"run_options": ("--no-mlflow",), "results": str(tmp_path), "study": "tiny"}
    firing = replace(moved_firing(tmp_path), request=STUDY_REQUEST.model_copy(update=request))
    with caplog.at_level(logging.DEBUG):
        with serving({f"POST /{SECRET}": answer}) as server:
            LoudHerald(None, f"{server.url}/{SECRET}").announce(firing)
        LoudHerald(None, f"{server.url}/{SECRET}").announce(firing)
    complaints = [m for m in caplog.messages if "webhook did not take it" in m]
    assert len(complaints) == 2 if answer[0] == 500 else 1
    ours = [r.getMessage() for r in caplog.records if r.name.startswith("rankfall")]
    assert not any(SECRET in message for message in ours)


def test_a_study_whose_run_cannot_be_found_is_logged_and_no_more(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        LoudHerald(None, None).announce(moved_firing(tmp_path))
    assert "could not be tagged" in caplog.messages[1]
    assert "there is no ledger here" in caplog.messages[1]


@pytest.mark.parametrize("url", ["ftp://x/y", "hooks.example.com/abc", "https://"])
def test_a_webhook_that_is_no_address_is_refused_unseen(url: str) -> None:
    with pytest.raises(ScheduleError, match="begins with https") as caught:
        read_webhook({"RANKFALL_WEBHOOK": url})
    assert url.rpartition("/")[2] not in str(caught.value) or not url.rpartition("/")[2]
    assert read_webhook({}) is None
