"""The last call: packs at work write one more checkpoint, and whoever calls knows when."""

import os
from pathlib import Path

import pytest
import torch

from tests.trainer.cohorts import CPU, make_cohort, make_member
from tests.trainer.test_checkpoint import InterruptedTrainingError
from trainer.checkpoint import Checkpoints
from trainer.last_call import LastCall
from trainer.loop import Progress, train_cohort
from trainer.outbox import Outbox
from trainer.settings import CollapseSettings, TrainSettings

PACK = make_cohort(
    [make_member("one", lr=0.05, kind="infonce"), make_member("two", lr=0.1, kind="infonce")],
    train=TrainSettings(batch_size=64, steps=14),
    collapse=CollapseSettings(every_steps=2, settle_checks=0),
)
NEVER = 1e9


@pytest.fixture
def call(tmp_path: Path) -> LastCall:
    return LastCall(tmp_path / "checkpoints")


def train_and_call(call: LastCall, at: int, until: int) -> list[int]:
    """Train, make the call after step ``at``, die after ``until``; return the steps it saw."""
    checkpoints = Checkpoints(call.folder, every_seconds=NEVER)
    seen: list[int] = []

    def look(progress: Progress) -> None:
        seen.append(progress.step)
        if progress.step == at:
            call.make()
        if progress.step == until:
            raise InterruptedTrainingError

    try:
        train_cohort(PACK, device=CPU, on_step=look, checkpoints=checkpoints)
    except InterruptedTrainingError:
        return seen
    raise AssertionError("the training was to be interrupted")


def test_a_called_pack_writes_at_its_next_check_and_goes_on_from_there(call: LastCall) -> None:
    train_and_call(call, at=5, until=13)
    kept = Checkpoints(call.folder).of(PACK, CPU, torch.float32).read()
    assert kept is not None
    # The check after step 5 is at step 6; the ones after it are not asked for.
    assert kept.step == 6
    call.withdraw()
    assert train_and_call(call, at=-1, until=8)[0] == 6
    uninterrupted = [o.model_copy(update={"seconds": 0.0}) for o in train_cohort(PACK, device=CPU)]
    outcomes = train_cohort(PACK, device=CPU, checkpoints=Checkpoints(call.folder, NEVER))
    assert [o.model_copy(update={"seconds": 0.0}) for o in outcomes] == uninterrupted


def test_without_a_call_nothing_is_written_before_its_time(call: LastCall) -> None:
    train_and_call(call, at=-1, until=13)
    assert list(call.folder.glob("*")) == []


def test_a_pack_that_begins_after_the_call_answers_too(call: LastCall) -> None:
    call.make()
    train_and_call(call, at=-1, until=3)
    assert call.await_answers([PACK.cohort_id], call.folder / "outbox", 0.0) == []


def test_waiting_ends_with_the_last_answer(call: LastCall, tmp_path: Path) -> None:
    call.make()
    pauses: list[float] = []

    def answer(seconds: float) -> None:
        """One pack writes a checkpoint, one ends, one was cut to halves."""
        pauses.append(seconds)
        match len(pauses):
            case 1:
                (call.folder / "a.safetensors").touch()
            case 2:
                Outbox(tmp_path).put("b", [])
            case 3:
                (call.folder / "c.0.safetensors").touch()

    assert call.await_answers(["a", "b", "c"], tmp_path, 100.0, answer) == []
    assert len(pauses) == 3


def test_who_does_not_answer_is_named_when_the_patience_ends(
    call: LastCall, tmp_path: Path
) -> None:
    call.make()
    old = call.folder / "old.safetensors"
    old.touch()
    os.utime(old, (0, 0))  # written long before the call
    pauses: list[float] = []
    late = call.await_answers(["old", "silent"], tmp_path, 2.0, pauses.append)
    assert late == ["old", "silent"]
    assert sum(pauses) == pytest.approx(2.0, abs=0.2)


def test_nobody_at_work_is_not_waited_for(call: LastCall, tmp_path: Path) -> None:
    call.make()

    def fail(_: float) -> None:
        raise AssertionError("there is nobody to wait for")

    assert call.await_answers([], tmp_path, 100.0, fail) == []


def test_a_call_is_made_once_and_withdrawn(call: LastCall) -> None:
    call.withdraw()
    assert not call.is_made
    call.make()
    call.make()
    assert call.is_made
    call.withdraw()
    assert not call.is_made
