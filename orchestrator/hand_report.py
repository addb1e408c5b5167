"""What a lane's driver reports of the hand it is training, between two reports and in all."""

from collections.abc import Sequence, Set
from typing import Any, assert_never

from trainer.cohort import Cohort
from trainer.lane_messages import (
    Message,
    PackDone,
    PackFailed,
    PackProgress,
    PackTaken,
    WorkerUp,
)


class HandReport:
    """Collects the messages of a lane's workers into results for Tune."""

    def __init__(self, packs: Sequence[Cohort]) -> None:
        self._waiting = {pack.cohort_id for pack in packs}
        self._steps: dict[str, int] = {}
        self._starts: dict[str, int] = {}
        self._raised: dict[str, str] = {}
        self._lost: dict[str, str] = {}
        self._outcomes: list[str] = []
        self._notices: list[str] = []
        self._is_lost = False

    def note(self, messages: Sequence[Message]) -> None:
        """Take in what the workers said; what they say of packs of earlier hands is old news."""
        for message in messages:
            match message:
                case PackProgress(pack_id, progress, is_start) if pack_id in self._waiting:
                    self._steps[pack_id] = progress.member_steps_done
                    if is_start:
                        self._starts[pack_id] = progress.member_steps_done
                    if is_start and progress.step:
                        self._notices.append(f"pack {pack_id} goes on at step {progress.step}")
                case PackDone(pack_id, outcomes):
                    self._end(pack_id)
                    self._outcomes += [outcome.model_dump_json() for outcome in outcomes]
                case PackFailed(pack_id, error):
                    self._end(pack_id)
                    self._raised[pack_id] = error
                case WorkerUp() | PackTaken() | PackProgress():
                    pass
                case unreachable:
                    assert_never(unreachable)

    def note_lost(self, at_work: Set[str], reason: str) -> None:
        """Give up what is left; the packs at work are to blame, or all where none was."""
        blamed = (self._waiting & at_work) or self._waiting
        self._lost |= dict.fromkeys(blamed, reason)
        self._notices.append(f"{reason.splitlines()[0]}; a new lane is started")
        self._is_lost = True

    def take(self) -> dict[str, Any]:
        """Return what is new, so that no outcome waits for the rest of the hand.

        ``at_work`` are the packs in training. ``raised`` and ``lost`` (packs and reasons) and
        ``starts`` (packs and the member-steps that their attempts began with) are of the whole
        hand: they decide what is retried.
        """
        outcomes, self._outcomes = self._outcomes, []
        notices, self._notices = self._notices, []
        return {
            "done": self._is_lost or not self._waiting,
            "member_steps_running": sum(self._steps.values()),
            "at_work": list(self._steps),
            "outcomes": outcomes,
            "notices": notices,
            # Pairs, for Tune leaves empty dicts out of results.
            "starts": list(self._starts.items()),
            "raised": list(self._raised.items()),
            "lost": list(self._lost.items()),
        }

    def _end(self, pack_id: str) -> None:
        self._waiting.discard(pack_id)
        self._steps.pop(pack_id, None)
