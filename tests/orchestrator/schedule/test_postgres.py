"""The store on a real PostgreSQL server: the same rules, and schedulers that meet in it."""

import threading
from collections.abc import Iterator

import pytest

from orchestrator.errors import StoreError
from orchestrator.schedule.schedule import Overlap
from orchestrator.schedule.store import Limits, write_limits
from orchestrator.schedule.tables import open_engine, transaction
from tests.orchestrator.schedule.cases import World, at, make_schedule
from tests.orchestrator.schedule.postgres import find_postgres, running_postgres

PROGRAMS = find_postgres()
pytestmark = pytest.mark.skipif(PROGRAMS is None, reason="needs PostgreSQL: apt install postgresql")


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    assert PROGRAMS is not None
    with running_postgres(PROGRAMS) as url:
        yield url


def test_schedulers_beside_each_other_submit_every_time_once(url: str) -> None:
    world = World.on(url)
    world.add(make_schedule(overlap=Overlap.QUEUE, alert_decades=0.2), make_schedule("other"))
    with transaction(world.engine) as connection:
        write_limits(connection, Limits(9, None))
    world.reader.learn("nightly/20261122T120100Z", 1.0, (0.0, 0.1))
    world.reader.learn("nightly/20261122T120200Z", 1.0, (1.0, 1.1))
    engines = [open_engine(url) for _ in range(3)]
    beside = [World(e, world.clock, world.cluster, world.reader, world.herald) for e in engines]
    for minute in (1, 2):
        world.tick(1)
        tick_together(beside)
        world.cluster.end(at(minute), at(minute, "other"))
        tick_together(beside)
    world.tick()
    assert sorted(world.cluster.log) == sorted(
        at(minute, name) for minute in (1, 2) for name in ("nightly", "other")
    )
    assert world.states() == ["succeeded"] * 4
    last = world.firings()[-1] if world.firings()[-1].schedule == "nightly" else world.firings()[-2]
    assert (last.has_moved, last.is_alerted) == (True, True)
    assert last.moves[0].decades == pytest.approx(0.9)
    for engine in (*engines, world.engine):
        engine.dispose()


def tick_together(worlds: list[World]) -> None:
    """Let schedulers tick at the same time."""
    failures: list[BaseException] = []

    def tick(world: World) -> None:
        try:
            world.tick()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=tick, args=(world,)) for world in worlds]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


def test_a_wrong_password_is_refused_without_showing_the_right_one(url: str) -> None:
    wrong = url.replace("s3cret", "hunter2")
    with pytest.raises(StoreError, match="password authentication failed") as caught:
        open_engine(wrong)
    assert "hunter2" not in str(caught.value)
    assert "\n" not in str(caught.value)
