"""A sweep without Ray, in this process: what every other way of running has to agree with."""

from pathlib import Path

from orchestrator.collapse_map import build_map
from orchestrator.conductor import Conductor
from orchestrator.lane_plan import LanePlan
from orchestrator.ledger import Ledger
from orchestrator.map_file import to_json
from search_spaces.study import Study
from tests.trainer.cohorts import CPU
from trainer.cohort import Outcome
from trainer.loop import train_cohort
from trainer.outbox import Outbox

ONE_BY_ONE = LanePlan(lanes=1, workers=1, pack_members=1)


def run_plainly(study: Study, folder: Path, plan: LanePlan = ONE_BY_ONE) -> Ledger:
    """Train pack after pack, by default of one member each, to the study's end."""
    ledger = Ledger.open(folder / "ledger.journal", study)
    conductor = Conductor(ledger, Outbox(folder / "outbox"))
    conductor.deal_for(plan)
    while (hand := conductor.next_hand()) is not None:
        for pack in hand:
            conductor.take(train_cohort(pack, device=CPU))
    assert conductor.is_finished
    return ledger


def outcomes_of(ledger: Ledger) -> list[Outcome]:
    """Return the outcomes by trial, without what a clock said."""
    outcomes = [r.outcome for r in ledger.records() if r.outcome is not None]
    plain = [outcome.model_copy(update={"seconds": 0.0}) for outcome in outcomes]
    return sorted(plain, key=lambda outcome: outcome.trial)


def map_of(ledger: Ledger) -> bytes:
    """Return the study's answer as its file would hold it."""
    return to_json(build_map(ledger.study, ledger.records())).encode()
