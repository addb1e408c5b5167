"""``rankfall serve``: what a lab needs, brought up in order and taken down in reverse.

MLflow's server, then Ray's head, then the scheduler. On the way down the scheduler lets go
first, then the studies at work are asked to write their checkpoints, then Ray ends, and MLflow
last, for studies write to it until they end. Studies that were at work go on when the service
comes up again.
"""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from orchestrator.cluster_address import is_this_machine
from orchestrator.errors import OrchestratorError, ServeError
from orchestrator.mlflow_server import is_loopback, run_server
from orchestrator.mlflow_store import locate_store
from orchestrator.schedule.loud_herald import read_webhook
from orchestrator.schedule.tables import data_folder, default_url, open_engine
from orchestrator.serve.leash import Leash, leashed
from orchestrator.serve.ray_head import HeadPlan, running_head
from orchestrator.serve.token import TOKEN, TOKEN_PATH, has_token, prepare_token

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
Announce = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class ServicePlan:
    """What to bring up.

    Attributes:
        results: Root of the results whose MLflow database is served.
        address: A Ray cluster that is there already; None brings one up.
        store: The scheduler's database; None: where it is by default.
        head: Where a head of our own listens.
        mlflow_port: Where MLflow listens, on this machine only; None brings none up.
    """

    results: Path
    address: str | None
    store: str | None
    head: HeadPlan
    mlflow_port: int | None


def serve(plan: ServicePlan, announce: Announce) -> None:
    """Serve until SIGINT, SIGTERM or SIGHUP; call from the main thread.

    Raises:
        ServeError: If the host is not loopback and there is no token, or Ray does not start or
            ends by itself.
        TrackingServerError: Likewise for MLflow.
        StoreError: If the store cannot be used.
        ScheduleError: If RANKFALL_WEBHOOK is no address.
    """
    require_host(plan.head.host)
    webhook = read_webhook()
    stop = threading.Event()
    with ExitStack() as stack:
        stack.enter_context(_stopped_by(stop))
        engine = open_engine(default_url() if plan.store is None else plan.store)
        leash = stack.enter_context(leashed())
        watch = Watch(stop)
        tracking_uri = _bring_up_mlflow(plan, stack, leash, watch, announce)
        address = _bring_up_ray(plan, stack, leash, watch, announce)
        # Ray reads its variables once, when it is imported: not before they are set.
        from orchestrator.serve.studies import run_scheduler  # noqa: PLC0415

        announce(f"schedules {engine.url.render_as_string(hide_password=True)}")
        is_ours = plan.address is None
        run_scheduler(engine, address, tracking_uri, webhook, stop, ends_studies=is_ours)
        watch.check()


def require_host(host: str) -> None:
    """Refuse to listen for others without a token that they can be given.

    Raises:
        ServeError: If the host is not loopback and the user chose no token, or if it is all of
            this machine's: Ray needs the one by which its nodes find each other.
    """
    if not is_loopback(host) and not has_token(os.environ):
        raise ServeError(
            f"--host {host} is not loopback, and whoever reaches Ray can run anything as you: set "
            f"{TOKEN} or {TOKEN_PATH} to a token first (ray get-auth-token --generate), or leave "
            "--host out"
        )
    if host in ("0.0.0.0", "::"):
        raise ServeError(
            f"--host {host}: expected this machine's own address in the network, by which other "
            "nodes reach it"
        )


class Watch:
    """Stops the service when a process of it ends by itself."""

    def __init__(self, stop: threading.Event) -> None:
        self._stop = stop
        self._failure: str | None = None

    def follow(self, name: str, wait: Callable[[], object]) -> None:
        """Watch a process; ``wait`` returns or raises when it has ended."""

        def look() -> None:
            words = f"{name} ended by itself"
            try:
                wait()
            except OrchestratorError as error:
                words = str(error)
            if not self._stop.is_set():
                self._failure = words
                self._stop.set()

        threading.Thread(target=look, name=f"watch-{name}", daemon=True).start()

    def check(self) -> None:
        """Say why the service was stopped, if it was not the user.

        Raises:
            ServeError: If a process of it had ended.
        """
        if self._failure is not None:
            raise ServeError(f"{self._failure}; the service was stopped")


def _bring_up_mlflow(
    plan: ServicePlan, stack: ExitStack, leash: Leash, watch: Watch, announce: Announce
) -> str | None:
    """Return the MLflow store that studies shall write; None leaves it to the cluster."""
    store = locate_store(plan.results)
    if store.is_server:
        announce(f"MLflow    {store.redacted}, as MLFLOW_TRACKING_URI says")
        return store.uri
    if plan.mlflow_port is None:
        return None
    plan.results.mkdir(parents=True, exist_ok=True)
    server = stack.enter_context(run_server(store, port=plan.mlflow_port))
    stack.enter_context(leash.holding(server.pid))
    watch.follow("MLflow's server", server.wait)
    announce(f"MLflow    {server.address}")
    # Nodes elsewhere cannot reach it: they have a store of their own, or write below the results.
    return server.address if plan.address is None or _is_here(plan.address) else None


def _bring_up_ray(
    plan: ServicePlan, stack: ExitStack, leash: Leash, watch: Watch, announce: Announce
) -> str | None:
    """Return the address of the cluster, and set what its clients in this process need."""
    if plan.address is not None:
        announce(f"Ray       {plan.address}")
        return plan.address
    authentication = prepare_token(data_folder(), os.environ)
    os.environ.update(authentication)
    head = stack.enter_context(running_head(plan.head, authentication))
    stack.enter_context(leash.holding(head.pid))
    watch.follow("Ray's head", head.wait)
    shown = " ".join(f"{k}={v}" for k, v in authentication.items() if k != TOKEN)
    announce(f"Ray       {plan.head.dashboard}")
    announce(f"clients   export RAY_ADDRESS={plan.head.dashboard} {shown}")
    return plan.head.dashboard


def _is_here(address: str) -> bool:
    return address == "auto" or is_this_machine(address if "://" in address else f"//{address}")


@contextmanager
def _stopped_by(stop: threading.Event) -> Iterator[None]:
    """Let the first signal stop the service in order, and a second one hurry it."""

    def ask(_number: int, _frame: FrameType | None) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()

    before = {number: signal.signal(number, ask) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
