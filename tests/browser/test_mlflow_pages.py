"""MLflow's own pages in a real browser: table, note, figure, load, the report's frame.

A real MLflow server on this machine, Debian's ``chromium`` in front of it.
"""

import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from socket import create_server

import pytest

from orchestrator.machine_load import LoadSampler
from orchestrator.mlflow_note import write_answer
from orchestrator.mlflow_overview import StudyStatus
from orchestrator.mlflow_server import run_server
from orchestrator.mlflow_store import locate_store
from orchestrator.mlflow_view import MetricPoint
from orchestrator.report.write import write_report
from orchestrator.tracking import Extras, SyncReport, Tracker
from tests.browser.chromium import CHROMIUM, Browser, browsing
from tests.orchestrator.report.builder import PROVENANCE, make_records, make_small_study

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed"),
    pytest.mark.filterwarnings("ignore:The ``noload`` loader:DeprecationWarning"),
]

STUDY = make_small_study()
RECORDS = make_records(STUDY)[::4]
HEADERS = """[...document.querySelectorAll('[role=columnheader]')]
    .map(e => [e.innerText.trim(), e.getBoundingClientRect().left])"""

UNDRAWN = """document.querySelector('.answer') && [...document.querySelectorAll('.chart')]
    .filter(e => !e.querySelector('.trace, .barlayer path')).map(e => e.id)"""


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where pictures of the pages go: ``RANKFALL_TEST_PICTURES``, to be looked at."""
    named = os.environ.get("RANKFALL_TEST_PICTURES")
    return Path(named) if named else tmp_path_factory.mktemp("pictures")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("mlflow")
    with closing(create_server(("127.0.0.1", 0))) as probe:
        port = int(probe.getsockname()[1])
    with run_server(locate_store(folder, {}), port=port) as running:
        yield running.address


@pytest.fixture(scope="module")
def synced(server: str, tmp_path_factory: pytest.TempPathFactory) -> SyncReport:
    files = write_report(STUDY, RECORDS, PROVENANCE, tmp_path_factory.mktemp("report"))
    load = sample_load()
    extras = Extras(write_answer(STUDY, RECORDS), load)
    tracker = Tracker(server, None)
    return tracker.sync(STUDY, RECORDS, PROVENANCE, files, StudyStatus.FINISHED, extras)


def sample_load() -> tuple[MetricPoint, ...]:
    """Sample this machine until there are two samples."""
    sampler = LoadSampler(every=0.05)
    sampler.start(0)
    try:
        while len({point.step for point in sampler.points()}) < 2:
            pass
    finally:
        sampler.stop()
    return sampler.points()


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browsing(tmp_path_factory.mktemp("chromium")) as browser:
        yield browser


def page(server: str, synced: SyncReport, rest: str) -> str:
    return f"{server}/#/experiments/{synced.experiment_id}/{rest}"


def test_the_note_shows_question_answer_and_map(
    server: str, synced: SyncReport, browser: Browser, pictures: Path
) -> None:
    browser.open(page(server, synced, f"runs/{synced.run_id}"))
    browser.wait_for_text("At which learning rate does training lose its rank")
    for words in ("critical learning rate", "95 % band", "infonce, temperature", "digits"):
        browser.wait_for_text(words)
    drawn = "[...document.images].some(i => i.src.includes('collapse_map.png') && i.naturalWidth)"
    browser.wait_for(drawn, "picture of the map")
    browser.picture(pictures / "note.png")


def test_the_table_of_trials_shows_regime_and_learning_rate_first(
    server: str, synced: SyncReport, browser: Browser, pictures: Path
) -> None:
    browser.open(page(server, synced, f"runs?viewStateShareKey={STUDY.digest}"))
    browser.wait_for_text("regime")
    browser.wait_for(f"{HEADERS}.some(([name]) => name == 'regime')", "column of regimes")
    browser.wait_for_text("healthy")
    browser.picture(pictures / "table.png")
    # Where columns stand is not where they are in the document.
    lefts = dict(browser.ask(HEADERS))
    assert lefts["regime"] < lefts["objective"] < lefts["lr"] < lefts["temperature"]
    assert lefts["temperature"] < lefts["score"]
    assert "Source" not in lefts


def test_the_report_is_read_in_its_frame_among_the_artifacts_and_its_figures_are_drawn(
    server: str, synced: SyncReport, browser: Browser, pictures: Path
) -> None:
    # MLflow's frame is a sandbox that lets scripts run, without an origin: the report needs none.
    browser.open(page(server, synced, f"runs/{synced.run_id}/artifacts/report.html"))
    browser.wait_for("!!document.querySelector('iframe')", "frame of the report")
    drawn = "document.querySelectorAll('#map .scatterlayer .point').length"
    trials = sum(record.outcome is not None for record in RECORDS)
    assert browser.wait_for_frame(drawn, "map in the frame") >= trials
    (answer,) = browser.ask_frames("document.querySelector('.answer')?.innerText")
    assert "critical learning rate" in answer
    (undrawn,) = browser.ask_frames(UNDRAWN)
    assert undrawn == []
    sandbox = browser.ask("document.querySelector('iframe').getAttribute('sandbox')")
    assert sandbox == "allow-scripts"
    browser.picture(pictures / "report.png")


def test_a_figure_among_the_artifacts_is_shown(
    server: str, synced: SyncReport, browser: Browser, pictures: Path
) -> None:
    browser.open(page(server, synced, f"runs/{synced.run_id}/artifacts/collapse_map.png"))
    browser.wait_for("[...document.images].some(i => i.naturalWidth > 500)", "the figure")
    browser.picture(pictures / "figure.png")


def test_the_load_of_the_machine_has_a_page_of_its_own(
    server: str, synced: SyncReport, browser: Browser, pictures: Path
) -> None:
    browser.open(page(server, synced, f"runs/{synced.run_id}/system-metrics"))
    browser.wait_for_text("cpu_utilization_percentage")
    browser.picture(pictures / "load.png")
    assert browser.errors == []
