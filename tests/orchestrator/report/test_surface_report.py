"""A surface study from its ledger to the report: file, page and figure have its bands."""

import json
import math
from pathlib import Path
from typing import Any

import pytest

from orchestrator.ledger import Ledger
from orchestrator.planners.surface_planner import SurfacePlanner
from orchestrator.record import to_finding
from orchestrator.report.write import write_report
from search_spaces.load import parse_study
from tests.orchestrator.report.builder import PROVENANCE, demo_surface, make_outcome

TEXT = """\
study: fabricated
question: boundary
planner: surface
data: {source: digits}
model: {encoder: mlp, hidden: [8], embed_dim: 4}
train: {batch_size: 32, steps: 300}
objective:
  kind: [infonce, supcon]
  temperature: {low: 0.05, high: 1.0, log: true, points: 3}
lr: {low: 1.0e-2, high: 100, log: true}
seeds: 3
collapse: {below: 2.0}
budget: {trials: 64, band_decades: 0.05}
"""
SHIFTS = (-0.04, 0.0, 0.05)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Ledger, list[Path]]:
    folder = tmp_path_factory.mktemp("surface")
    ledger = Ledger.open(folder / "ledger.journal", parse_study(TEXT, "fabricated.yaml", ()))
    planner = SurfacePlanner(ledger.study)
    while asked := list(planner.ask()):
        ledger.add_round(asked)
        for proposal in asked:
            critical = math.log10(demo_surface(proposal.point))
            above = math.log10(float(proposal.point["lr"])) - critical
            outcome = make_outcome(proposal.key, above - SHIFTS[proposal.replicate])
            ledger.tell(outcome)
            planner.tell(proposal, to_finding(ledger.study, outcome))
    loaded = Ledger.load(folder / "ledger.journal")
    return loaded, write_report(loaded.study, loaded.records(), PROVENANCE, folder / "report")


def read_slices(paths: list[Path]) -> list[dict[str, Any]]:
    (path,) = (path for path in paths if path.name == "collapse_map.json")
    slices: list[dict[str, Any]] = json.loads(path.read_text())["slices"]
    return slices


def test_every_slice_of_the_file_has_a_band_that_holds_the_fabricated_edge(
    written: tuple[Ledger, list[Path]],
) -> None:
    ledger, paths = written
    slices = read_slices(paths)
    assert len(ledger.records()) == 64
    assert len(slices) == len(ledger.study.slices()) == 6
    for point, found in zip(ledger.study.slices(), slices, strict=True):
        own = next(b for b in found["boundaries"] if b["level"] == 2.0)
        low, high = own["band_95_or_transition_lr"]
        assert own["verdict"] == "inside"
        assert low < demo_surface(point) < high
        assert own["band_95_decades"] == pytest.approx(math.log10(high / low), rel=1e-3)
        assert own["band_95_decades"] < 0.5


def test_the_page_says_what_the_file_says(written: tuple[Ledger, list[Path]]) -> None:
    _, paths = written
    (page,) = (path.read_text() for path in paths if path.name == "report.html")
    assert "planner: surface" in page
    for found in read_slices(paths):
        own = next(b for b in found["boundaries"] if b["level"] == 2.0)
        assert f"{own['critical_lr']:.3g}" in page


def test_the_figures_are_drawn(written: tuple[Ledger, list[Path]]) -> None:
    _, paths = written
    figures = [path for path in paths if path.suffix == ".png"]
    assert [path.name for path in figures] == [
        "collapse_map.png",
        "effective_rank.png",
        "spectra.png",
    ]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in figures)
