"""The report in a real browser: no console error, no request, charts drawn, controls that work.

Needs Debian's ``chromium``; skipped, visibly, where there is none. The page is driven by a script
appended to a copy of it, and read back from the document that chromium dumps.
"""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from orchestrator.claims.page import render_page
from orchestrator.claims.result import read_results
from orchestrator.claims.scoreboard import build_rows
from orchestrator.collapse_map import build_map
from orchestrator.record import TrialRecord
from orchestrator.report.html import render_html
from search_spaces.axis import ChoiceAxis
from search_spaces.claim_load import KEPT_RESULTS, shipped_claims
from search_spaces.study import Question, Study
from tests.orchestrator.report.aligned import make_aligned
from tests.orchestrator.report.builder import (
    KIND_AXIS,
    LR_AXIS,
    PROVENANCE,
    make_records,
    make_small_study,
    make_study,
)
from tests.orchestrator.report.test_html import hostile_study

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--enable-logging=stderr",
    "--v=0",
    "--virtual-time-budget=10000",
    "--dump-dom",
]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed"),
]

DRIVER = r"""
<script>
window.addEventListener("load", async () => {
  const seen = {};
  const count = (selector) => document.querySelectorAll(selector).length;
  const wait = () => new Promise((resolve) => setTimeout(resolve, 400));
  await wait();
  seen.points = count("#map .scatterlayer .point");
  const box = document.querySelector('.toggles[data-kind="curve"] input');
  if (box) { box.click(); await wait(); seen.fewer = count("#map .scatterlayer .point"); }
  const filter = document.getElementById("trial-filter");
  if (filter) {
    filter.value = "supcon diverged";
    filter.dispatchEvent(new Event("input"));
    seen.filtered = count("#trials tbody tr:not([hidden])");
    document.querySelectorAll("#trials thead button")[1].click();
    document.querySelectorAll("#trials thead button")[1].click();
    seen.first = document.querySelector("#trials tbody td").dataset.sort;
  }
  const choice = document.getElementById("slice-choice");
  if (choice) {
    choice.value = "0"; choice.dispatchEvent(new Event("change")); await wait();
    seen.spectra = count("#spectra .scatterlayer .trace");
    seen.loss = count("#loss .scatterlayer .trace");
  }
  seen.best = count("#best-0 .scatterlayer .point");
  const places = [...document.querySelectorAll(".chart")];
  seen.charts = places.length;
  const isDrawn = (place) => place.querySelector(".trace, .contourlayer path, .barlayer path");
  seen.undrawn = places.filter((place) => !isDrawn(place)).map((place) => place.id).join(",");
  seen.unnamed = places.filter((place) => !place.getAttribute("aria-label")).length;
  const arm = document.getElementById("arm-choice");
  if (arm) {
    arm.value = String(arm.options.length - 1);
    arm.dispatchEvent(new Event("change")); await wait();
    seen.alignment = count("#alignment .scatterlayer .trace");
  }
  const number = document.querySelector("table data.n");
  if (number) {
    number.click();
    const bar = document.getElementById("audit");
    const command = bar.querySelector("code").textContent.replace(/[^\w -]/g, "");
    seen.audit = bar.hidden ? "hidden" : command;
    seen.said = bar.querySelector("span").textContent.length;
    seen.number = number.value;
    bar.querySelector("button").click();
    seen.closed = bar.hidden;
  }
  seen.cloud = count('[data-title*="loud"]');
  seen.hacked = Boolean(window.hacked);
  seen.overflow = document.documentElement.scrollWidth > window.innerWidth;
  seen.requests = performance.getEntriesByType("resource").length;
  seen.ready = document.documentElement.dataset.ready;
  document.body.dataset.seen = Object.entries(seen).map(([k, v]) => `${k}=${v}`).join(";");
});
</script>
"""

LOOK = """
<script>
window.addEventListener("load", () => {
  const pictures = [...document.images];
  const seen = {
    pictures: pictures.length,
    broken: pictures.filter((each) => !each.naturalWidth).length,
    unnamed: pictures.filter((each) => !each.alt).length,
    overflow: document.documentElement.scrollWidth > window.innerWidth,
    requests: performance.getEntriesByType("resource")
      .filter((each) => !each.name.startsWith("data:")).length,
  };
  document.body.dataset.seen = Object.entries(seen).map(([k, v]) => `${k}=${v}`).join(";");
});
</script>
"""


def browse(
    study: Study, records: list[TrialRecord], folder: Path, width: int = 1280
) -> dict[str, str]:
    """Open the study's report, drive it, and return what the driver saw."""
    page = folder / "report.html"
    page.write_text(render_html(build_map(study, records), records, PROVENANCE) + DRIVER)
    found = open_in_chromium(page, folder, width)
    assert (found["requests"], found["cloud"], found["hacked"]) == ("0", "0", "false")
    assert (found["undrawn"], found["unnamed"], found["overflow"]) == ("", "0", "false")
    assert found["ready"] == "yes"
    return found


def open_in_chromium(page: Path, folder: Path, width: int) -> dict[str, str]:
    """Open a page and return what the script in it saw; no message of the console is allowed."""
    result = subprocess.run(
        [
            str(CHROMIUM),
            *FLAGS,
            f"--window-size={width},1400",
            f"--user-data-dir={folder / 'profile'}",
            page.as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    messages = [line for line in result.stderr.splitlines() if "CONSOLE" in line]
    assert messages == []
    seen = re.search(r'data-seen="([^"]*)"', result.stdout)
    assert seen, "the driver did not run to its end"
    return dict(pair.split("=") for pair in seen.group(1).split(";"))


@pytest.mark.parametrize("width", [1280, 500])
def test_the_map_is_drawn_and_its_controls_work(width: int, tmp_path: Path) -> None:
    study = make_small_study()
    records = make_records(study)
    seen = browse(study, records, tmp_path, width)
    slices = len(study.slices())
    assert int(seen["points"]) == len(records) + slices
    assert int(seen["fewer"]) == (len(records) + slices) / 2
    diverged = [r for r in records if r.outcome and r.outcome.regime.value == "diverged"]
    supcon = [r for r in diverged if r.proposal.point["objective.kind"] == "supcon"]
    assert int(seen["filtered"]) == len(supcon) > 0
    assert float(seen["first"]) == 100.0
    assert int(seen["spectra"]) > 2
    assert int(seen["loss"]) > 2
    assert int(seen["charts"]) == 1 + 2 + 1 + 4, "map, two phase diagrams, residuals, a slice's"
    assert seen["audit"] == f"rankfall explain demo {seen['number']}"
    assert int(seen["said"]) > 20
    assert seen["closed"] == "true"


@pytest.mark.parametrize(
    "study",
    [
        pytest.param(make_study((LR_AXIS, KIND_AXIS)), id="choices"),
        pytest.param(make_small_study(Question.OPTIMISE), id="optimise"),
        pytest.param(make_study((ChoiceAxis("train.batch_size", (64, 256)),)), id="empty"),
    ],
)
def test_other_shapes_open_without_errors_or_requests(study: Study, tmp_path: Path) -> None:
    records = make_records(study) if study.lr_axis else []
    seen = browse(study, records, tmp_path)
    assert int(seen["points"]) + int(seen["best"]) > 0 or not records


@pytest.mark.parametrize("width", [1280, 500])
def test_alignment_over_training_is_drawn_for_every_setting(width: int, tmp_path: Path) -> None:
    study, records = make_aligned("objective.temperature=[0.5, 2.0]")
    seen = browse(study, records, tmp_path, width)
    assert int(seen["alignment"]) == 2 * 2 * 2, "two measures, two objectives: band and line"
    assert int(seen["charts"]) == 2 + 2 + 2, "alignment, loss and spectrum, best by each axis"


def test_the_scoreboard_opens_with_every_picture_and_without_a_request(tmp_path: Path) -> None:
    page = tmp_path / "claims.html"
    content = render_page(build_rows(shipped_claims(), read_results(KEPT_RESULTS)))
    assert "script-src" not in content
    page.write_text(content.replace("style-src", "script-src 'unsafe-inline'; style-src", 1) + LOOK)
    seen = open_in_chromium(page, tmp_path, 500)
    kept = len({result.claim for result in read_results(KEPT_RESULTS)})
    assert int(seen["pictures"]) == kept + 1
    assert (seen["broken"], seen["unnamed"], seen["overflow"]) == ("0", "0", "false")
    assert seen["requests"] == "0"


def test_hostile_text_runs_nothing(tmp_path: Path) -> None:
    study, records = hostile_study()
    browse(study, records, tmp_path)
