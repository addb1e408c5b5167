"""The vigil: silence is noticed where there is work, and only there."""

from dataclasses import dataclass

import pytest

from trainer.errors import LaneError
from trainer.lane_messages import PackDone, PackFailed, PackProgress, PackTaken, WorkerUp
from trainer.loop import Progress
from trainer.vigil import Vigil

LIMIT = 60.0
TWO_UP = [WorkerUp(0, None), WorkerUp(1, None)]


@dataclass
class Clock:
    """A clock that stands still until it is moved."""

    now: float = 0.0

    def __call__(self) -> float:
        return self.now


def progress(pack_id: str) -> PackProgress:
    return PackProgress(pack_id, Progress(1, 1, 1), is_start=False)


def watch() -> tuple[Vigil, Clock]:
    clock = Clock()
    return Vigil(workers=2, silence_seconds=LIMIT, read_clock=clock), clock


def test_a_group_that_is_still_starting_may_take_its_time() -> None:
    vigil, clock = watch()
    vigil.note_submitted(["a"])
    clock.now = 1e6
    vigil.check()


def test_a_lane_without_work_may_be_silent() -> None:
    vigil, clock = watch()
    vigil.note_submitted(["a", "b"])
    vigil.note([*TWO_UP, PackTaken("a"), PackDone("a", []), PackFailed("b", "no")])
    clock.now = 1e6
    vigil.check()
    vigil.note_submitted(["c"])
    clock.now += LIMIT
    vigil.check()


def test_workers_that_take_nothing_are_noticed() -> None:
    vigil, clock = watch()
    vigil.note_submitted(["a"])
    vigil.note(TWO_UP)
    clock.now = LIMIT + 1
    with pytest.raises(LaneError, match=r"no sign of life for 61 s from any worker"):
        vigil.check()


def test_one_hung_worker_is_noticed_although_the_other_talks() -> None:
    vigil, clock = watch()
    vigil.note_submitted(["a", "b", "c"])
    vigil.note([*TWO_UP, PackTaken("a"), PackTaken("b")])
    for clock.now in (30.0, 60.0):
        vigil.note([progress("b")])
        vigil.check()
    clock.now = 90.0
    vigil.note([PackDone("b", []), PackTaken("c")])
    with pytest.raises(LaneError, match=r"90 s from pack a \(the limit is 60 s\)"):
        vigil.check()
    assert vigil.at_work == {"a", "c"}


def test_every_sign_of_a_pack_starts_its_clock_anew() -> None:
    vigil, clock = watch()
    vigil.note_submitted(["a"])
    vigil.note([*TWO_UP, PackTaken("a")])
    for _ in range(5):
        clock.now += LIMIT
        vigil.check()
        vigil.note([progress("a")])


def test_a_group_that_train_started_anew_is_given_up_for_its_packs_are_in_no_queue() -> None:
    vigil, _ = watch()
    vigil.note_submitted(["a"])
    vigil.note([*TWO_UP, PackTaken("a")])
    with pytest.raises(LaneError, match="was started anew"):
        vigil.note([WorkerUp(0, None)])
