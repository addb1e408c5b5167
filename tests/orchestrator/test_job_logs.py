"""A job's log, followed over a real web socket that breaks off: every character once."""

import asyncio
import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest
import ray
from aiohttp import web
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator import jobs
from orchestrator.errors import ClusterError
from orchestrator.jobs import JobCluster
from tests.orchestrator.dashboard import details

TEXT = "Running entrypoint\n0 of about 8\nstarting Ray\nä ☃ [bold]\ndone\n"


@contextmanager
def talking(connections: Sequence[Sequence[int]], *, ends: bool = True) -> Iterator[str]:
    """Serve a job's log; each connection tells it from the start, in pieces, up to its last cut.

    All but the last connection break off without a word; the job ends with the last, if it does.
    """
    left = list(connections)

    async def version(_: web.Request) -> web.Response:
        return web.json_response({"ray_version": ray.__version__})

    async def job(_: web.Request) -> web.Response:
        has_ended = ends and len(left) <= 1
        changes = {"status": "SUCCEEDED", "driver_exit_code": 0} if has_ended else {}
        return web.Response(text=json.dumps(details("demo-1", **changes)))

    async def tail(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        if not left:
            return socket
        start = 0
        for cut in left[0]:
            await socket.send_str(TEXT[start:cut])
            start = cut
        is_last = len(left) == 1
        left.pop(0)
        if not is_last:
            assert request.transport is not None
            request.transport.close()
        return socket

    app = web.Application()
    app.add_routes(
        [
            web.get("/api/version", version),
            web.get("/api/jobs/demo-1", job),
            web.get("/api/jobs/demo-1/logs/tail", tail),
        ]
    )
    loop = asyncio.new_event_loop()
    runner = web.AppRunner(app, shutdown_timeout=0)
    loop.run_until_complete(runner.setup())
    site = web.TCPSite(runner, "127.0.0.1", 0)
    loop.run_until_complete(site.start())
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        host, port = runner.addresses[0][:2]
        yield f"http://{host}:{port}"
    finally:
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@pytest.fixture(autouse=True)
def impatience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "_POLL_SECONDS", 0.01)
    monkeypatch.setattr(jobs, "_PATIENCE_SECONDS", 0.2)


CUTS = st.lists(st.integers(1, len(TEXT)), max_size=4).map(lambda cuts: sorted(set(cuts)))


@settings(max_examples=15, deadline=None)
@given(broken=st.lists(CUTS, max_size=3), last=CUTS)
def test_whatever_breaks_off_where_each_character_is_shown_once(
    broken: list[list[int]], last: list[int]
) -> None:
    whole = [cut for cut in last if cut < len(TEXT)] + [len(TEXT)]
    with talking([*broken, whole]) as url:
        assert "".join(JobCluster.connect(url).follow("demo-1")) == TEXT


def test_a_cluster_that_stays_away_is_given_up() -> None:
    with talking([[20], [20]], ends=False) as url:
        chunks = JobCluster.connect(url).follow("demo-1")
        assert next(chunks) == TEXT[:20]
    with pytest.raises(ClusterError, match="no Ray cluster answers"):
        next(chunks)
