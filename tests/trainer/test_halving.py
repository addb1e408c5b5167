"""Out of memory halves a pack and goes on; torch's own exception, the worker's own path."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from tests.trainer.cohorts import CPU, make_cohort, make_member
from trainer import lane_worker
from trainer.checkpoint import Checkpoints
from trainer.cohort import Cohort, Outcome
from trainer.crew import ALONE, Crew
from trainer.halving import halve, train_fitting
from trainer.lane_messages import PackDone, PackFailed, PackProgress, PackTaken
from trainer.lane_worker import Worker
from trainer.loop import Progress, train_cohort
from trainer.outbox import Outbox
from trainer.settings import TrainSettings

PACK = make_cohort(
    [make_member(f"{i}", lr=0.01 * (i + 1), kind="infonce") for i in range(7)],
    train=TrainSettings(batch_size=32, steps=5),
)


def with_room_for(most: int, seen: list[int]) -> Callable[..., list[Outcome]]:
    """Return a trainer on a device with room for so many members."""

    def train(
        pack: Cohort,
        *,
        device: torch.device = CPU,
        on_step: Callable[[Progress], None] = lambda _: None,
        checkpoints: Checkpoints | None = None,
        crew: Crew = ALONE,
    ) -> list[Outcome]:
        seen.append(len(pack.members))
        if len(pack.members) > most:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")
        assert crew == ALONE
        return train_cohort(pack, device=device, on_step=on_step, checkpoints=checkpoints)

    return train


def timeless(outcomes: list[Outcome]) -> list[Outcome]:
    return [outcome.model_copy(update={"seconds": 0.0}) for outcome in outcomes]


@pytest.mark.parametrize(
    ("most", "sizes"),
    [
        (7, [7]),
        (4, [7, 4, 3]),
        (2, [7, 4, 2, 2, 3, 2, 1]),
        (1, [7, 4, 2, 1, 1, 2, 1, 1, 3, 2, 1, 1, 1]),
    ],
)
def test_halves_are_halved_until_they_fit_and_change_no_outcome(
    most: int, sizes: list[int]
) -> None:
    seen: list[int] = []
    outcomes = train_fitting(PACK, with_room_for(most, seen))
    assert seen == sizes
    assert timeless(outcomes) == timeless(train_cohort(PACK, device=CPU))


def test_a_single_member_that_does_not_fit_is_a_failure() -> None:
    with pytest.raises(torch.cuda.OutOfMemoryError, match="Tried to allocate"):
        train_fitting(PACK, with_room_for(0, []))


def test_other_errors_are_not_halved_away() -> None:
    def fail(_: Cohort) -> list[Outcome]:
        raise RuntimeError("not memory")

    with pytest.raises(RuntimeError, match="not memory"):
        train_fitting(PACK, fail)


def test_halves_hold_every_member_once_under_names_of_their_own() -> None:
    first, second = halve(PACK)
    assert first.members + second.members == PACK.members
    assert len({first.cohort_id, second.cohort_id, PACK.cohort_id}) == 3


def test_couples_are_never_halved() -> None:
    names = ["a", "a", "a", "b", None, "c", "c"]
    members = tuple(
        member.model_copy(update={"couple": name})
        for member, name in zip(PACK.members, names, strict=True)
    )
    pack = PACK.model_copy(update={"members": members})
    first, second = halve(pack)
    assert [m.couple for m in first.members] == ["a", "a", "a", "b"]
    assert first.members + second.members == members
    assert [len(half.members) for half in halve(second)] == [1, 2]
    couple = pack.model_copy(update={"members": members[:3]})
    with pytest.raises(torch.cuda.OutOfMemoryError, match="Tried to allocate"):
        train_fitting(couple, with_room_for(2, []))


def make_worker(folder: Path, told: list[PackTaken | PackProgress]) -> Worker:
    checkpoints = Checkpoints(folder / "kept", 0.0)
    return Worker(CPU, ALONE, Outbox(folder / "outbox"), checkpoints, told.append)


def test_a_worker_answers_with_the_whole_pack_and_leaves_no_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[PackTaken | PackProgress] = []
    monkeypatch.setattr(lane_worker, "train_cohort", with_room_for(4, []))
    answer = make_worker(tmp_path, told).train(PACK)
    assert isinstance(answer, PackDone)
    assert answer.pack_id == PACK.cohort_id
    assert timeless(answer.outcomes) == timeless(train_cohort(PACK, device=CPU))
    assert Outbox(tmp_path / "outbox").waiting() == answer.outcomes
    assert list((tmp_path / "kept").glob("*")) == []
    assert told[0] == PackTaken(PACK.cohort_id)
    starts = [m for m in told if isinstance(m, PackProgress) and m.is_start]
    assert [start.progress.members_alive for start in starts] == [4, 3]


def test_a_worker_survives_what_a_pack_raises_and_says_what_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lane_worker, "train_cohort", with_room_for(0, []))
    worker = make_worker(tmp_path, [])
    answer = worker.train(PACK)
    assert isinstance(answer, PackFailed)
    assert "Tried to allocate 2 GiB" in answer.error
    monkeypatch.undo()
    assert isinstance(worker.train(PACK), PackDone)


def test_a_worker_goes_on_with_the_checkpoint_of_one_that_died(tmp_path: Path) -> None:
    told: list[PackTaken | PackProgress] = []
    worker = make_worker(tmp_path, told)
    slow = PACK.model_copy(update={"collapse": PACK.collapse.model_copy(update={"every_steps": 2})})

    def die(progress: Progress) -> None:
        if progress.step == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_cohort(slow, device=CPU, on_step=die, checkpoints=worker.checkpoints)
    assert isinstance(worker.train(slow), PackDone)
    (start,) = [m for m in told if isinstance(m, PackProgress) and m.is_start]
    assert start.progress.step == 2
