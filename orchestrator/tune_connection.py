"""The connection to Ray: a cluster that is there already, or a local Ray of our own."""

import logging
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import ray

from orchestrator.errors import ClusterError
from orchestrator.lane_plan import Node
from orchestrator.ray_environment import ADDRESS_VARIABLE

_CONNECT_ATTEMPTS = 2
_QUIET = (
    "ray.tune",
    "ray.train",
    "ray.util.placement_group",
    "ray._private.worker",
)


@contextmanager
def connected() -> Iterator[None]:
    """Hold a connection to the cluster at ``RAY_ADDRESS``, or a local Ray of our own.

    A Ray that somebody else runs on this machine is never joined by accident.

    Call inside :func:`orchestrator.ray_environment.ray_environment`.

    Raises:
        ClusterError: If the cluster at ``RAY_ADDRESS`` cannot be reached.
    """
    _keep_quiet()
    _connect(os.environ.get(ADDRESS_VARIABLE) or "local")
    try:
        yield
    finally:
        ray.shutdown()


def list_nodes() -> list[Node]:
    """Return what the living nodes of the connected cluster offer."""
    nodes = ray.nodes()  # type: ignore[no-untyped-call]
    offers = [node["Resources"] for node in nodes if node["Alive"]]
    return [Node(offer.get("CPU", 0.0), offer.get("GPU", 0.0)) for offer in offers]


def _connect(address: str) -> None:
    """Join or start Ray; a busy machine may need a second try, for Ray waits only 30 s."""
    for attempt in range(_CONNECT_ATTEMPTS):
        try:
            with _keeping_sigterm():
                ray.init(
                    address=address,
                    # Nobody is told of a local Ray's dashboard: nine processes for nothing.
                    include_dashboard=False if address == "local" else None,
                    log_to_driver=False,
                    logging_level=logging.CRITICAL,
                )
        # Ray raises nearly anything here, bare Exception for a node that starts too slowly.
        except Exception as error:
            ray.shutdown()
            if attempt == _CONNECT_ATTEMPTS - 1:
                raise ClusterError(_describe_refusal(address, error)) from error
        else:
            return


@contextmanager
def _keeping_sigterm() -> Iterator[None]:
    """Undo what Ray does to SIGTERM: its handler ends the process as if all were well."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _describe_refusal(address: str, error: Exception) -> str:
    text = str(error).strip() or type(error).__name__
    # Ray tells two versions of Ray and Python apart over seven lines.
    is_version = text.startswith("Version mismatch")
    reason = " ".join(text.split()) if is_version else text.splitlines()[0]
    if address == "local":
        return f"Ray cannot be started on this machine: {reason}"
    return (
        f"the Ray cluster at {ADDRESS_VARIABLE}={address} cannot be joined: {reason}; check the "
        f"address and the token, or unset {ADDRESS_VARIABLE} to use this machine"
    )


def _keep_quiet() -> None:
    """Leave the terminal to the progress display."""
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.CRITICAL)
