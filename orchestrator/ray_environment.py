"""What must be right before Ray is imported: the variables it reads then, the address it is given.

No Ray import here: :mod:`orchestrator.sweep` enters this context, then imports the Ray side.
"""

import os
import secrets
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from orchestrator.errors import ClusterError

ADDRESS_VARIABLE = "RAY_ADDRESS"
_CONNECT_SECONDS = 10.0
_SETTINGS = {
    # Ctrl-C is ours: Tune's handler would swallow it and end as if all were well.
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    # Each is a process that imports all of Ray Train before a lane is up; packs that a lost node
    # had at work go on from their checkpoints anyway.
    "RAY_TRAIN_ENABLE_PREEMPTION_WATCHER": "0",
    "RAY_TRAIN_METRICS_ENABLED": "0",
    # How often a lane looks whether its workers are alive, in seconds; 2 by default.
    "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "1",
    # A second thread on a busy core costs far more than it gives.
    "OMP_NUM_THREADS": "1",
}


@contextmanager
def ray_environment() -> Iterator[None]:
    """Set Ray up: quiet, and with token authentication for a cluster of our own.

    A local cluster gets a fresh token in a private file, unless the user configured
    authentication or names a cluster in ``RAY_ADDRESS``.

    Raises:
        ClusterError: If nobody listens at ``RAY_ADDRESS``.
    """
    _check_address(os.environ.get(ADDRESS_VARIABLE))
    for name, value in _SETTINGS.items():
        os.environ.setdefault(name, value)
    if ADDRESS_VARIABLE in os.environ or any(name.startswith("RAY_AUTH_") for name in os.environ):
        yield
        return
    with tempfile.TemporaryDirectory(prefix="rankfall-") as folder:
        token = Path(folder) / "token"
        token.touch(mode=0o600)
        token.write_text(secrets.token_hex(32))
        os.environ |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(token)}
        try:
            yield
        finally:
            del os.environ["RAY_AUTH_MODE"], os.environ["RAY_AUTH_TOKEN_PATH"]


def _check_address(address: str | None) -> None:
    """Knock at the cluster's door: Ray itself takes minutes to find out that nobody is there."""
    if not address or address in ("auto", "local"):
        return
    host, colon, port = address.rpartition(":")
    if "://" in address or not (host and colon and port.isdecimal()):
        raise ClusterError(
            f"{ADDRESS_VARIABLE}={address}: expected host:port of a cluster's head (Ray Client's "
            "ray:// cannot hold a sweep), 'auto' for the one on this machine, or nothing"
        )
    try:
        socket.create_connection((host, int(port)), timeout=_CONNECT_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise ClusterError(
            f"no Ray cluster at {ADDRESS_VARIABLE}={address} ({error}); start one there, or unset "
            f"{ADDRESS_VARIABLE} to use this machine"
        ) from error
