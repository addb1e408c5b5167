"""Keeps planner, ledger and lanes in step: what to train next, what became of it.

Rounds are a barrier: the planner is asked again when all of a round is told. So what it asks
depends on outcomes alone, never on which cohort finished first, and a resumed study asks what
the uninterrupted one would have asked. Knows no Ray: tests drive it with a plain loop.
"""

from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass

from orchestrator.dealing import Hand, deal
from orchestrator.lane_plan import LanePlan
from orchestrator.ledger import Ledger
from orchestrator.planners.factory import build_planner
from orchestrator.planners.protocol import Planner, Proposal
from orchestrator.pruning import with_pruning
from orchestrator.record import TrialState, to_finding
from trainer.cohort import Outcome
from trainer.outbox import Outbox

ATTEMPTS = 3
"""How often a trial is tried within one sweep before it counts as missing."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How far a study is. ``trials_asked`` counts the rounds so far, not the budget."""

    trials_finished: int
    trials_missing: int
    trials_asked: int
    trials_budget: int
    round_number: int


class Conductor:
    """Deals out the packs of each round and takes in their outcomes.

    ``on_told`` is called whenever a lane's outcomes or failures were told.
    """

    def __init__(
        self, ledger: Ledger, outbox: Outbox, on_told: Callable[[], None] = lambda: None
    ) -> None:
        self._ledger = ledger
        self._outbox = outbox
        self.on_told = on_told
        self._study = ledger.study
        self._planner = build_planner(self._study)
        self._by_key = {p.key: p for round_ in ledger.rounds for p in round_}
        self._attempts: dict[str, int] = {}
        self._open: dict[str, Proposal] = {}
        self._plan = LanePlan(lanes=1, workers=1, pack_members=16)
        self._hands: list[Hand] = []
        self.is_finished = False
        self._resume()

    def deal_for(self, plan: LanePlan) -> None:
        """Cut packs for these lanes from now on: call before the first hand is taken."""
        self._plan = plan
        self._hands = self._deal(self._open.keys())

    def next_hand(self) -> Hand | None:
        """Return packs for a free lane, or None while others are at work or all is finished."""
        return self._hands.pop(0) if self._hands else None

    def take(self, outcomes: Sequence[Outcome]) -> None:
        """Take in outcomes, which are on disk already: tell the ledger, then go on."""
        self._tell(outcomes)
        self.on_told()
        self._advance()

    def fail(self, members: Sequence[str], failure: str) -> None:
        """Take in trials that could not be trained: again, or missing after three attempts.

        Those that were trained, but whose lane died before it said so, lie in the outbox.
        """
        self._take_back(members, failure)

    def put_back(self, members: Sequence[str]) -> None:
        """Take in trials whose lane died before it came to them: again, at no cost of theirs."""
        self._take_back(members, failure=None)

    def standing(self) -> Standing:
        """Return how far the study is."""
        states = [record.state for record in self._ledger.records()]
        return Standing(
            trials_finished=states.count(TrialState.FINISHED),
            trials_missing=states.count(TrialState.MISSING),
            trials_asked=len(states),
            trials_budget=self._study.budget.trials,
            round_number=len(self._ledger.rounds),
        )

    def _resume(self) -> None:
        """Take in what a killed sweep left on disk, then open what it had not finished."""
        self._tell_outbox()
        self._outbox.clear()
        self._start(
            [r.proposal for r in self._ledger.records() if r.state is not TrialState.FINISHED]
        )
        self._advance()

    def _take_back(self, members: Sequence[str], failure: str | None) -> None:
        if not any(key in self._open for key in members):
            return
        self._tell_outbox()
        left = [key for key in members if key in self._open]
        again = {key for key in left if failure is None or self._may_retry(key, failure)}
        self._hands += self._deal(again)
        self.on_told()
        self._advance()

    def _may_retry(self, key: str, failure: str) -> bool:
        """Count a failed attempt; after the last one the trial is missing."""
        self._attempts[key] = self._attempts.get(key, 0) + 1
        if self._attempts[key] < ATTEMPTS:
            return True
        self._ledger.tell_missing(key, failure)
        self._open.pop(key)
        return False

    def _deal(self, keys: Set[str]) -> list[Hand]:
        hands = deal(self._study, self._ledger.rounds, keys, self._plan)
        return with_pruning(hands, self._study, self._ledger.records())

    def _tell_outbox(self) -> None:
        self._tell(self._outbox.waiting())

    def _tell(self, outcomes: Sequence[Outcome]) -> None:
        for outcome in outcomes:
            if outcome.trial in self._by_key:
                self._ledger.tell(outcome)
            self._open.pop(outcome.trial, None)

    def _start(self, proposals: Sequence[Proposal]) -> None:
        self._open = {proposal.key: proposal for proposal in proposals}
        self._hands = self._deal(self._open.keys())

    def _advance(self) -> None:
        if self._open or self.is_finished:
            return
        tell_planner(self._planner, self._ledger)
        proposals = self._planner.ask()
        if not proposals:
            self.is_finished = True
            self._outbox.clear()
            return
        self._ledger.add_round(proposals)
        self._by_key |= {proposal.key: proposal for proposal in proposals}
        self._start(proposals)


def tell_planner(planner: Planner, ledger: Ledger) -> None:
    """Tell the planner all that is known; what it knows already changes nothing."""
    for record in ledger.records():
        if record.outcome is not None:
            planner.tell(record.proposal, to_finding(ledger.study, record.outcome))
        elif record.state is TrialState.MISSING:
            planner.tell_missing(record.proposal)
