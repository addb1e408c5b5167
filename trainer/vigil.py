"""Says whether a lane that is at work still gives signs of life."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from trainer.errors import LaneError
from trainer.lane_messages import (
    Message,
    PackDone,
    PackFailed,
    PackProgress,
    PackTaken,
    WorkerUp,
)


@dataclass(slots=True)
class Vigil:
    """Watches the messages of a lane's workers.

    Every pack at work has to be heard of: one hung worker is noticed although the others talk.
    A group that has not started yet is not watched: a cluster may take long to make room.

    Attributes:
        workers: How many the group has.
        silence_seconds: How long a pack at work, or the whole group, may be silent.
        read_clock: Seconds, monotonic.
    """

    workers: int
    silence_seconds: float
    read_clock: Callable[[], float]
    _queued: set[str] = field(default_factory=set)
    _heard_of: dict[str, float] = field(default_factory=dict)
    _heard: float = math.inf
    _workers_up: int = 0

    @property
    def at_work(self) -> frozenset[str]:
        """The packs that some worker took and has not ended."""
        return frozenset(self._heard_of)

    def note_submitted(self, pack_ids: Sequence[str]) -> None:
        """Expect these packs; the clock begins anew."""
        self._queued.update(pack_ids)
        if self._workers_up:
            self._heard = self.read_clock()

    def note(self, messages: Sequence[Message]) -> None:
        """Take in what was heard.

        Raises:
            LaneError: If more workers came up than the group has: Ray Train started it anew, and
                what the lost workers had taken is in no queue any more.
        """
        now = self.read_clock()
        for message in messages:
            self._heard = now
            match message:
                case WorkerUp():
                    self._workers_up += 1
                case PackTaken(pack_id) | PackProgress(pack_id):
                    self._heard_of[pack_id] = now
                case PackDone(pack_id) | PackFailed(pack_id):
                    self._heard_of.pop(pack_id, None)
                    self._queued.discard(pack_id)
        if self._workers_up > self.workers:
            raise LaneError("the worker group was started anew: its packs go on in a new lane")

    def check(self) -> None:
        """Raise LaneError if there was silence for too long while there is work."""
        if not self._queued:
            return
        heard = min(self._heard_of.values(), default=self._heard)
        silence = self.read_clock() - heard
        if silence > self.silence_seconds:
            raise LaneError(
                f"no sign of life for {silence:.0f} s from {self._describe()} (the limit is "
                f"{self.silence_seconds:g} s): the worker group is taken down"
            )

    def _describe(self) -> str:
        if not self._heard_of:
            return "any worker"
        return f"pack {min(self._heard_of, key=self._heard_of.__getitem__)}"
