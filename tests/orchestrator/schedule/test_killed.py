"""A scheduler that dies at every single step it takes: each fire time is submitted once.

Death is an exception that nothing catches: the transaction that was open is lost, what the
cluster was told stays told, and the next scheduler knows only the store.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import sqlalchemy as sa

from orchestrator.job import Job, JobState
from orchestrator.job_request import JobRequest
from orchestrator.schedule.schedule import Firing, Overlap
from orchestrator.schedule.store import Limits, write_limits
from orchestrator.schedule.tables import transaction
from tests.orchestrator.schedule.cases import (
    KeptHerald,
    ScoreKeeper,
    World,
    at,
    make_schedule,
    store_url,
)


class Killed(BaseException):
    """What kill -9 does to a process."""


@dataclass
class Fuse:
    """Kills at the ``burns_at``-th step; counts all steps."""

    burns_at: int | None = None
    steps: int = 0

    def step(self) -> None:
        self.steps += 1
        if self.steps == self.burns_at:
            raise Killed

    @contextmanager
    def around(self) -> Iterator[None]:
        """Be killed before something is done, or after it and before it is known."""
        self.step()
        yield
        self.step()


@dataclass
class MortalCluster(ScoreKeeper):
    """A cluster whose callers may die before they ask and before they hear the answer."""

    fuse: Fuse = field(default_factory=Fuse)

    def jobs(self) -> list[Job]:
        with self.fuse.around():
            return super().jobs()

    def deliver(self, job_id: str, request: JobRequest) -> None:
        with self.fuse.around():
            super().deliver(job_id, request)

    def stop(self, job_id: str) -> None:
        with self.fuse.around():
            super().stop(job_id)


@dataclass
class MortalHerald(KeptHerald):
    fuse: Fuse = field(default_factory=Fuse)

    def announce(self, firing: Firing) -> None:
        with self.fuse.around():
            super().announce(firing)


def live(empty: Path, folder: Path, overlap: Overlap, burns_at: int | None) -> tuple[World, Fuse]:
    """Let two times come, with one scheduler or, if the first one dies, a second one."""
    fuse = Fuse(burns_at)
    folder.mkdir()
    shutil.copy(empty, folder)
    world = World.on(store_url(folder))
    world.cluster, world.herald = MortalCluster(fuse=fuse), MortalHerald(fuse=fuse)
    world.add(make_schedule(alert_decades=0.2, overlap=overlap), make_schedule("other"))
    with transaction(world.engine) as connection:
        write_limits(connection, Limits(5, None))
    for minute in (1, 2):
        world.reader.learn(f"nightly/20261122T120{minute}00Z", 1.0, (minute, minute + 0.1))

    @sa.event.listens_for(world.engine, "commit")
    def before_commit(_connection: sa.Connection) -> None:
        fuse.step()

    for minute in (1, 2):
        tick(world, 1)
        tick(world)
        if overlap is Overlap.REPLACE:
            stopped = [job_id for job_id in world.cluster.asked if job_id in world.cluster.states]
            world.cluster.end(*stopped, state=JobState.STOPPED)
        else:
            world.cluster.end(at(minute))
        world.cluster.end(at(minute, "other"))
        tick(world)
        tick(world)
    world.cluster.end(*world.cluster.states)
    tick(world)
    tick(world)
    return world, fuse


def tick(world: World, minutes: float = 0.0) -> None:
    """Tick; a scheduler that dies is followed by another one."""
    try:
        world.tick(minutes)
    except Killed:
        world.engine.dispose()
        world.tick()


@pytest.mark.parametrize(
    "overlap",
    [
        Overlap.QUEUE,
        pytest.param(Overlap.FORBID, marks=pytest.mark.slow),
        pytest.param(Overlap.REPLACE, marks=pytest.mark.slow),
    ],
)
def test_killed_at_any_step_every_time_is_submitted_exactly_once(
    overlap: Overlap, tmp_path: Path
) -> None:
    World.on(store_url(tmp_path)).engine.dispose()
    empty = tmp_path / "scheduler.db"
    world, fuse = live(empty, tmp_path / "whole", overlap, None)
    expected = sorted(at(m, name) for m in (1, 2) for name in ("nightly", "other"))
    assert sorted(world.cluster.log) == expected
    assert fuse.steps > 40
    for burns_at in range(1, fuse.steps + 1):
        again, _ = live(empty, tmp_path / str(burns_at), overlap, burns_at)
        assert sorted(again.cluster.log) == expected, f"killed at step {burns_at}"
        assert [f.job_id for f in again.firings()] == [f.job_id for f in world.firings()]
        assert again.states() == world.states(), f"killed at step {burns_at}"
        # Telling that a boundary moved is the one step that may be done twice.
        assert set(again.herald.told) == set(world.herald.told)
        assert len(again.herald.told) <= len(world.herald.told) + 1
        again.engine.dispose()
    world.engine.dispose()
