"""20 random trials of the demo, trained side by side as a sweep does, then each again alone."""

import random
from pathlib import Path

import pytest
import torch

from orchestrator.cohorts import cut_packs, group_cohorts
from orchestrator.ledger import Ledger
from orchestrator.rerun import rerun_trial
from orchestrator.sweep import PACK_MEMBERS
from tests.orchestrator.demo_ledger import write_demo
from trainer.cohort import Outcome
from trainer.loop import train_cohort

TRIALS = 20


def train_some(folder: Path) -> Ledger:
    """Return a ledger of the demo with 20 of the trials that it really asked for, trained."""
    write_demo(folder)
    asked = Ledger.load(folder / "rankfall-results" / "demo" / "ledger.journal")
    chosen = random.Random(9).sample([r.proposal for r in asked.records()], TRIALS)
    ledger = Ledger.open(folder / "ledger.journal", asked.study)
    ledger.add_round(chosen)
    for cohort in group_cohorts(asked.study, chosen):
        for pack in cut_packs(cohort, workers=1, most_members=PACK_MEMBERS):
            for outcome in train_cohort(pack, device=torch.device("cpu")):
                ledger.tell(outcome)
    return ledger


@pytest.mark.slow
def test_twenty_random_trials_of_the_demo_come_out_equal_in_every_bit(tmp_path: Path) -> None:
    ledger = train_some(tmp_path)
    records = ledger.records()
    assert len(records) == TRIALS
    assert len({record.settings.objective.kind for record in records}) == 3
    for record in records:
        again = rerun_trial(ledger, str(record.number))
        assert again.differences == []
        assert _bits(again.outcome) == _bits(record.outcome)


def _bits(outcome: Outcome | None) -> str:
    """Return everything but the time as text: JSON writes a float so that it is read back equal."""
    assert outcome is not None
    return outcome.model_copy(update={"seconds": 0.0}).model_dump_json()
