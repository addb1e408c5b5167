"""The environment variables Ray reads while it is imported, so they are set before that.

No Ray import here: :mod:`orchestrator.sweep` enters this context, then imports the Ray side.
"""

import os
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_SETTINGS = {
    # Ctrl-C is ours: Tune's handler would swallow it and end as if all were well.
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    # A second thread on a busy core costs far more than it gives.
    "OMP_NUM_THREADS": "1",
}


@contextmanager
def ray_environment() -> Iterator[None]:
    """Set Ray up: quiet, and with token authentication for a cluster of our own.

    A local cluster gets a fresh token in a private file, unless the user configured
    authentication or names a cluster in ``RAY_ADDRESS``.
    """
    for name, value in _SETTINGS.items():
        os.environ.setdefault(name, value)
    if "RAY_ADDRESS" in os.environ or any(name.startswith("RAY_AUTH_") for name in os.environ):
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
