"""Reports of real ledgers in a real browser: the demo, and a study of each paper, run small.

Each study is planned and trained to its end with budgets and steps cut down: the demo by the
command line as a user runs it, the others in this process, which saves three starts of Ray. Then
its page is opened wide, narrow and as it is printed. ``RANKFALL_TEST_PICTURES`` names a folder
for pictures of the pages, to be looked at.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.command_read import find_study
from orchestrator.folder import StudyFolder
from orchestrator.lane_plan import LanePlan
from orchestrator.provenance import read_provenance
from orchestrator.report.write import write_report
from tests.browser.chromium import CHROMIUM, Browser, browsing
from tests.chaos.plain_sweep import run_plainly
from tests.runs import RANKFALL, run
from trainer.data.audio.general_midi import DEFAULT_SOUNDFONT
from trainer.data.fashion_mnist import PACKAGE_FOLDER

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed"),
]

STUDIES = {
    "demo": (
        "objective.temperature={low: 0.1, high: 1.0, log: true, points: 2}",
        "train.steps=60",
        "seeds=2",
        "budget.trials=72",
    ),
    "clop-critical-lr": (
        "model.norm=none",
        "train.steps=40",
        "lr={low: 0.1, high: 1000, log: true}",
        "seeds=2",
        "budget.trials=72",
    ),
    "nscl-aligned": ("data.limit=300", "train.steps=12", "collapse.every_steps=4", "seeds=2"),
    "svr-retrieval": (
        "data.general_midi.train_clips=96",
        "data.general_midi.val_clips=24",
        "data.general_midi.test_clips=24",
        "train.steps=12",
        "collapse.every_steps=4",
        "seeds=2",
    ),
}
NEEDS = {"nscl-aligned": PACKAGE_FOLDER, "svr-retrieval": DEFAULT_SOUNDFONT}
FIGURES = {
    "demo": {"map", "phase-0", "residuals", "scores", "spectra", "loss", "rank"},
    "clop-critical-lr": {"map", "phase-0", "residuals", "scores", "spectra", "loss", "rank"},
    "nscl-aligned": {"alignment-0", "learning-0", "best-0"},
    "svr-retrieval": {"learning-0", "best-0"},
}

DRAWN = """[...document.querySelectorAll(".chart")].map((place) => [place.id,
    (place.data || []).reduce((sum, trace) =>
        sum + [...(trace.x || [])].filter((x, i) => x !== null && trace.y[i] !== null).length, 0),
    place.querySelectorAll(".point, .js-line, .contourlayer path").length,
    place.getAttribute("aria-label") || ""])"""
CHOICES = """[...document.querySelectorAll("select")].map((each) => [each.id, each.length])"""
CHOOSE = """(() => {{ const choice = document.getElementById("{id}"); choice.value = "{value}";
    choice.dispatchEvent(new Event("change")); return true; }})()"""
OVERFLOWS = "document.documentElement.scrollWidth > window.innerWidth"
SEEN_ON_PAPER = """(() => {
    const isSeen = (each) => each.getClientRects().length > 0;
    const seen = (selector) => [...document.querySelectorAll(selector)].filter(isSeen);
    const boxes = seen(".main-svg").map((each) => each.getBoundingClientRect());
    return {
        controls: seen("input, .modebar, #audit, #trials").length,
        ticked: document.querySelectorAll(".toggles input:checked").length,
        legends: seen(".toggles label").length,
        folded: document.querySelectorAll("details:not([open])").length,
        figures: new Set(boxes.map((box) => `${box.x} ${box.y}`)).size,
        charts: seen(".chart").length,
        outside: boxes.filter((box) => box.left < 0 || box.right > window.innerWidth).length,
    };
})()"""
PAGE_WIDTH = 703
"""Pixels of an A4 page between the margins that the page asks for."""


@pytest.fixture(scope="module", params=STUDIES)
def report(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Train a study for real and return its page."""
    name = str(request.param)
    if name in NEEDS and not NEEDS[name].exists():
        pytest.skip(f"needs {NEEDS[name]}; 'rankfall data list' says how to get it")
    folder = tmp_path_factory.mktemp(name)
    if name == "demo":
        run_demo(folder)
    else:
        run_here(name, folder)
    return folder / name / "report" / "report.html"


def run_demo(folder: Path) -> None:
    overrides = [word for text in STUDIES["demo"] for word in ("--set", text)]
    command = [str(RANKFALL), "run", "demo", "--no-mlflow", "--results", ".", *overrides]
    result = run(folder, command)
    assert result.returncode == 0, result.stderr


def run_here(name: str, folder: Path) -> None:
    study = find_study(name, STUDIES[name])
    place = StudyFolder(folder / name)
    place.create()
    ledger = run_plainly(study, place.path, LanePlan(lanes=1, workers=1, pack_members=16))
    provenance = read_provenance(["rankfall", "run", name])
    write_report(study, ledger.records(), provenance, place.report)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browsing(tmp_path_factory.mktemp("chromium")) as browser:
        yield browser


def open_report(browser: Browser, report: Path, width: int) -> str:
    """Open a page in a window of that width; return the study's name."""
    browser.resize(width, 1000)
    browser.open(report.as_uri())
    browser.wait_for("document.documentElement.dataset.ready === 'yes'", "report")
    return report.parents[1].name


def check_figures(browser: Browser) -> set[str]:
    """Return the ids of all figures, each of which has data, marks on paper and words for it."""
    figures = browser.ask(DRAWN)
    for name, values, marks, words in figures:
        assert values > 0, f"{name} has no data"
        assert marks > 0, f"{name} is not drawn"
        assert len(words) > 10, f"{name} has no words for who cannot see it"
    return {str(name) for name, *_ in figures}


def take_picture(browser: Browser, name: str) -> None:
    folder = os.environ.get("RANKFALL_TEST_PICTURES")
    if folder:
        browser.picture(Path(folder) / f"{name}.png")


@pytest.mark.parametrize("width", [1280, 400])
def test_every_figure_has_data_whatever_is_chosen_and_nothing_is_asked_for(
    report: Path, width: int, browser: Browser
) -> None:
    name = open_report(browser, report, width)
    take_picture(browser, f"{name}_{width}")
    assert check_figures(browser) >= FIGURES[name]
    for choice, count in browser.ask(CHOICES):
        for value in range(count):
            assert browser.ask(CHOOSE.format(id=choice, value=value))
            assert check_figures(browser) >= FIGURES[name]
    answer = browser.ask("document.querySelector('.answer').innerText")
    assert len(answer) > 40
    assert "No trial has finished" not in answer
    assert not browser.ask(OVERFLOWS)
    assert (browser.errors, browser.messages, browser.requests) == ([], [], [])


def test_on_paper_are_figures_with_their_legends_and_no_controls(
    report: Path, browser: Browser, tmp_path: Path
) -> None:
    open_report(browser, report, PAGE_WIDTH)
    browser.imitate_paper()
    seen = browser.ask(SEEN_ON_PAPER)
    assert (seen["controls"], seen["outside"], seen["folded"]) == (0, 0, 0)
    assert seen["legends"] == seen["ticked"]
    assert seen["figures"] == seen["charts"] > 0
    assert not browser.ask(OVERFLOWS)
    open_report(browser, report, PAGE_WIDTH)  # leaves the paper
    browser.print(tmp_path / "report.pdf")
    assert (tmp_path / "report.pdf").read_bytes().startswith(b"%PDF")
    after = browser.ask("document.querySelectorAll('details[open]').length")
    assert after == 0, "folded again"
