"""Which Ray cluster jobs go to: the address by Ray's own rules, and whether anybody is there.

Ray's rules: ``RAY_API_SERVER_ADDRESS`` wins over ``RAY_ADDRESS``, which wins over an argument;
``http://host:8265`` is a dashboard, ``host:6379`` a head, nothing (or ``auto``) the Ray that runs
on this machine. No Ray import here: Ray takes up to 40 s to find out that nobody answers.
"""

import os
import socket
from collections.abc import Mapping
from urllib.parse import urlsplit

from orchestrator.errors import ClusterError

VARIABLES = ("RAY_API_SERVER_ADDRESS", "RAY_ADDRESS")
_DEFAULT_PORTS = {"http": 80, "https": 443}
_KNOCK_SECONDS = 10.0


def choose_address(option: str | None, environment: Mapping[str, str] = os.environ) -> str | None:
    """Return the address that Ray would use; None for the Ray that runs on this machine.

    Raises:
        ClusterError: If ``--address`` and a variable name different clusters: Ray would take the
            variable without a word.
    """
    for name in VARIABLES:
        value = environment.get(name, "").strip()
        if not value:
            continue
        if option is not None and option.rstrip("/") != value.rstrip("/"):
            raise ClusterError(
                f"--address {option} and {name}={value} name two clusters, and Ray lets the "
                f"variable win: unset {name}, or leave --address out"
            )
        return value
    return option


def knock(address: str | None) -> None:
    """Check that somebody listens at an address that names a host.

    Raises:
        ClusterError: If nobody does, or if a dashboard was given without its ``http://``.
    """
    if address is None or address == "auto" or address.startswith("ray://"):
        return
    host, port = _split(address)
    try:
        with socket.create_connection((host, port), timeout=_KNOCK_SECONDS) as connection:
            if "://" not in address and _speaks_http(connection):
                raise ClusterError(
                    f"{address} is a dashboard, not a head: write its address http://{address}"
                )
    except (OSError, OverflowError) as error:
        raise ClusterError(
            f"no Ray cluster at {address} ({error}); name one with --address http://HEAD:8265, or "
            "start one with: ray start --head"
        ) from error


def is_this_machine(url: str) -> bool:
    """Return whether a URL's host is an address of this machine."""
    try:
        family, kind, _, _, place = socket.getaddrinfo(urlsplit(url).hostname, 0)[0]
        with socket.socket(family, kind) as probe:
            # Only an address of our own can be bound.
            probe.bind(place)
    except OSError:
        return False
    return True


def _split(address: str) -> tuple[str, int]:
    try:
        parts = urlsplit(address if "://" in address else f"//{address}")
        port = parts.port or _DEFAULT_PORTS.get(parts.scheme)
    except ValueError:
        parts, port = None, None
    if parts is None or not parts.hostname or port is None or parts.username is not None:
        raise ClusterError(
            f"{address!r} is no address of a cluster: expected http://host:8265 (its dashboard), "
            "host:6379 (its head) or auto"
        )
    return parts.hostname, port


def _speaks_http(connection: socket.socket) -> bool:
    """Ask for Ray's version page: a head's own port speaks gRPC, which is no HTTP/1."""
    try:
        connection.settimeout(_KNOCK_SECONDS)
        connection.sendall(b"GET /api/version HTTP/1.0\r\n\r\n")
        return connection.recv(6) == b"HTTP/1"
    except OSError:
        return False
