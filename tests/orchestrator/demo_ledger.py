"""The ledger of a demo as it really ran: what its 300 trials found on 22 November 2026."""

import csv
from pathlib import Path

from orchestrator.command_read import find_study
from orchestrator.ledger import Ledger
from orchestrator.planners.protocol import Proposal
from search_spaces.point import Point
from tests.orchestrator.claims.laboratory import PROVENANCE
from trainer.cohort import History, Outcome
from trainer.collapse.regime import Regime


def write_demo(folder: Path) -> None:
    """Make a folder like a user's after ``rankfall run demo``: regimes and scores, no measures."""
    path = folder / "rankfall-results" / "demo"
    path.mkdir(parents=True)
    ledger = Ledger.open(path / "ledger.journal", find_study("demo", []))
    ledger.set_provenance(PROVENANCE)
    with Path(__file__).with_name("demo_outcomes.csv").open() as file:
        rows = list(csv.DictReader(file))
    proposals = [
        Proposal(
            Point.of(
                {
                    "lr": float(row["lr"]),
                    "objective.kind": row["kind"],
                    "objective.temperature": float(row["temperature"]),
                }
            ),
            int(row["replicate"]),
        )
        for row in rows
    ]
    ledger.add_round(proposals)
    for row, proposal in zip(rows, proposals, strict=True):
        ledger.tell(_outcome(proposal.key, Regime(row["regime"]), float(row["score"])))


def _outcome(key: str, regime: Regime, score: float) -> Outcome:
    return Outcome(
        trial=key,
        regime=regime,
        score=score,
        measures={},
        initial={},
        spectrum=(),
        history=History(steps=(), values={}),
        steps_done=1,
        decided_early=False,
    )
