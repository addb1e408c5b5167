"""report.html: whole, self-contained, and deaf to anything hostile in a study."""

from dataclasses import replace

import pytest

from orchestrator.collapse_map import build_map
from orchestrator.planners.protocol import Proposal
from orchestrator.record import Provenance, TrialRecord, TrialState
from orchestrator.report.html import render_html, to_script_json
from search_spaces.axis import ChoiceAxis
from search_spaces.point import Point, Value
from search_spaces.study import Question, Study
from tests.orchestrator.report.builder import (
    KIND_AXIS,
    LR_AXIS,
    PROVENANCE,
    make_record,
    make_records,
    make_small_study,
    make_study,
    without_outcome,
)
from tests.orchestrator.report.page import Page

ATTACK = "</script><script>window.hacked = true</script><img src=x onerror=alert(1)>&\"'"


def open_page(study: Study, records: list[TrialRecord]) -> Page:
    return Page(render_html(build_map(study, records), records, PROVENANCE))


def hostile_study() -> tuple[Study, list[TrialRecord]]:
    """Return a study and records that hold an attack wherever a study's own text can stand."""
    norms = ChoiceAxis("model.norm", ("none", ATTACK))
    study = replace(
        make_study((LR_AXIS, KIND_AXIS, norms), name=ATTACK),
        source_text=ATTACK,
        overrides=(f"model.norm={ATTACK}",),
    )
    records = []
    for norm in ("none", ATTACK):
        for lr in (0.1, 1.0, 10.0):
            at: dict[str, Value] = {"lr": lr, "objective.kind": "clop"}
            honest = make_record(study, Point.of({**at, "model.norm": "none"}), 0, 1.0)
            assert honest.outcome is not None
            attack = Proposal(Point.of({**at, "model.norm": norm}), 0)
            outcome = honest.outcome.model_copy(update={"trial": attack.key})
            records.append(replace(honest, proposal=attack, outcome=outcome))
    failed = without_outcome(records[0], TrialState.MISSING)
    records[0] = replace(failed, failure=ATTACK)
    return study, records


STUDIES = {
    "boundary": make_small_study(),
    "choices-only": make_study((LR_AXIS, KIND_AXIS)),
    "one-slice": make_study((LR_AXIS,)),
    "grid": make_small_study(Question.GRID),
    "optimise": make_small_study(Question.OPTIMISE),
}


@pytest.fixture(scope="module", params=list(STUDIES), name="page")
def open_each(request: pytest.FixtureRequest) -> Page:
    study = STUDIES[request.param]
    return open_page(study, make_records(study))


def test_nothing_is_fetched_from_anywhere(page: Page) -> None:
    assert page.loads == []
    assert not [tag for tag, _ in page.tags if tag in ("link", "iframe", "object", "embed")]
    policies = [a["content"] or "" for t, a in page.tags if t == "meta" and "content" in a]
    assert any("default-src 'none'" in policy for policy in policies)


def test_ids_are_unique_and_every_reference_has_its_target(page: Page) -> None:
    ids = page.attributes("id")
    assert len(ids) == len(set(ids))
    assert set(page.attributes("aria-labelledby")) <= set(ids)
    assert set(page.attributes("for")) <= set(ids)


def test_every_chart_is_described_and_has_data(page: Page) -> None:
    charts = page.charts()
    places = [a for _, a in page.tags if "chart" in (a.get("class") or "").split()]
    assert places
    assert all(place.get("aria-label") for place in places)
    drawn = [c for c in [charts["map"], *charts["best"]] if c is not None]
    drawn += [each[name] for each in charts["slices"] for name in ("scores", "spectra", "loss")]
    drawn += charts["phases"] + charts["contours"]
    drawn += [charts[name] for name in ("residuals", "importance") if charts[name]]
    drawn += [c for each in charts["arms"] for c in each["alignment"] + each["learning"]]
    assert drawn
    assert all(trace["x"] and trace["y"] for chart in drawn for trace in chart["traces"])
    assert all(chart["traces"] for chart in drawn)


def test_the_question_comes_first_and_provenance_is_complete(page: Page) -> None:
    headings = [tag for tag, _ in page.tags if tag in ("h1", "h2")]
    assert headings[0] == "h1"
    assert headings.count("h1") == 1
    for expected in ("rankfall run demo.yaml", "0123abc+dirty", "torch", "2.13.0", "1001"):
        assert expected in page.text


def test_the_map_shows_every_finished_trial_and_every_slice() -> None:
    study = make_small_study()
    records = make_records(study)
    traces = open_page(study, records).charts()["map"]["traces"]
    trials = [t for t in traces if t["meta"]["regime"] is not None]
    assert sum(len(trace["x"]) for trace in trials) == len(records)
    lines = [t for t in traces if t["meta"]["regime"] is None and t["mode"] == "lines+markers"]
    assert sum(len(trace["x"]) for trace in lines) == len(study.slices())


def test_above_the_range_is_an_arrow_with_words_and_not_a_number() -> None:
    study = make_small_study()
    page = open_page(study, make_records(study, lambda _: 1e5))
    traces = page.charts()["map"]["traces"]
    of_curves = [t for t in traces if t["meta"]["curve"] is not None]
    boundaries = [t for t in of_curves if t["meta"]["regime"] is None]
    assert {trace["marker"]["symbol"] for trace in boundaries} == {"triangle-up"}
    assert [trace["text"] for trace in boundaries] == [["above 100", "", ""]] * 2


@pytest.mark.parametrize("state", [TrialState.PENDING, TrialState.MISSING, None])
def test_a_study_without_outcomes_says_so(state: TrialState | None) -> None:
    study = make_small_study()
    records = [without_outcome(r, state) for r in make_records(study)[:4]] if state else []
    page = open_page(study, records)
    assert "No trial has finished yet" in page.text
    assert page.charts()["slices"] == []
    assert ("OutOfMemoryError: <b>12 GiB</b>" in page.text) == (state is TrialState.MISSING)


@pytest.mark.parametrize("critical_lr", [1e5, 1e-5, 1e-9], ids=["healthy", "mixed", "diverged"])
def test_one_sided_studies_have_a_page(critical_lr: float) -> None:
    study = make_small_study()
    page = open_page(study, make_records(study, lambda _: critical_lr))
    assert page.charts()["map"]["traces"]


def test_hostile_text_stays_text() -> None:
    study, records = hostile_study()
    provenance = Provenance(git_commit=None, versions={ATTACK: ATTACK}, command=ATTACK)
    content = render_html(build_map(study, records), records, provenance)
    harmless = make_study((LR_AXIS,))
    honest = open_page(harmless, make_records(harmless))
    page = Page(content)
    assert len(page.scripts) == len(honest.scripts)
    assert not [tag for tag, _ in page.tags if tag == "img"]
    assert not [name for _, a in page.tags for name in a if name.startswith("on")]
    assert ATTACK in page.text
    # Plotly reads tags in the texts it draws, so those are escaped a second time.
    hovers = str([trace["text"] for trace in page.charts()["map"]["traces"]])
    assert "&lt;img src=x" in hovers
    assert "<img" not in hovers


def test_script_json_cannot_end_its_element() -> None:
    assert to_script_json({"a": "</script>&"}) == '{"a":"\\u003c/script\\u003e\\u0026"}'
