"""The same trials stacked, one by one, on 1 lane, on 2 lanes and on 2 workers: equal outcomes.

And workers that share the data: equal to one worker, up to float32's rounding over the steps.
"""

import os
import sys
from pathlib import Path

import pytest

from orchestrator.lane_plan import LanePlan
from orchestrator.ledger import Ledger
from search_spaces.load import parse_study
from tests.chaos.plain_sweep import map_of, outcomes_of, run_plainly
from tests.integration import lane_parity_process
from tests.runs import run

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

STUDY = """\
study: parity
question: boundary
planner: grid
data: {source: digits}
model: {encoder: mlp, hidden: [32], embed_dim: 16, norm: layer}
train: {batch_size: 64, steps: 60}
objective: {kind: [infonce, siglip, clop], temperature: 0.1}
lr: {low: 1.0e-2, high: 100, log: true}
seeds: 2
collapse: {below: 2.0, every_steps: 10, settle_checks: 2, margin: 0.5, audit: 0.5}
budget: {trials: 24, band_decades: 0.2}
"""
SHARED = (
    STUDY.replace("steps: 60", "steps: 12, split: data")
    .replace("high: 100", "high: 0.1")
    .replace("trials: 24", "trials: 6")
)
STACKED = LanePlan(lanes=1, workers=1, pack_members=16)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which one Ray session ran the study in every way."""
    folder = tmp_path_factory.mktemp("parity")
    for lanes, workers in ((1, 1), (1, 2), (2, 1)):
        (folder / f"parity.{lanes}.{workers}.yaml").write_text(STUDY)
    (folder / "shared.1.2.yaml").write_text(SHARED)
    command = [sys.executable, str(lane_parity_process.__file__), str(folder)]
    result = run(folder, command, {"PYTHONPATH": os.getcwd()})
    assert result.returncode == 0, result.stdout + result.stderr
    return folder


@pytest.fixture(scope="module")
def one_by_one(tmp_path_factory: pytest.TempPathFactory) -> Ledger:
    """The trials trained alone, in this process."""
    return run_plainly(parse_study(STUDY, "parity.yaml"), tmp_path_factory.mktemp("plain"))


def ledger_in(folder: Path) -> Ledger:
    return Ledger.load(folder / "ledger.journal")


def test_stacked_is_one_by_one(one_by_one: Ledger, tmp_path: Path) -> None:
    stacked = run_plainly(parse_study(STUDY, "parity.yaml"), tmp_path, STACKED)
    assert len(outcomes_of(one_by_one)) == 24
    assert outcomes_of(stacked) == outcomes_of(one_by_one)


@pytest.mark.parametrize("way", ["parity.1.1", "parity.1.2", "parity.2.1"])
def test_no_number_of_lanes_and_workers_changes_an_outcome(
    way: str, folder: Path, one_by_one: Ledger
) -> None:
    ledger = ledger_in(folder / way)
    assert outcomes_of(ledger) == outcomes_of(one_by_one)
    assert map_of(ledger) == map_of(one_by_one)


def test_workers_that_share_the_data_find_what_one_worker_finds(
    folder: Path, tmp_path: Path
) -> None:
    alone = outcomes_of(run_plainly(parse_study(SHARED, "shared.yaml"), tmp_path, STACKED))
    shared = outcomes_of(ledger_in(folder / "shared.1.2"))
    assert [o.trial for o in shared] == [o.trial for o in alone]
    for split, single in zip(shared, alone, strict=True):
        assert (split.regime, split.steps_done) == (single.regime, single.steps_done)
        assert split.measures == pytest.approx(single.measures, rel=1e-3)
