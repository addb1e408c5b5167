"""The token that lets clients into the service's Ray: the user's own, or one that is made here."""

import os
import secrets
from collections.abc import Mapping
from pathlib import Path

from orchestrator.errors import ServeError

MODE, TOKEN, TOKEN_PATH = "RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"


def has_token(environment: Mapping[str, str]) -> bool:
    """Return whether the user chose a token."""
    return bool(environment.get(TOKEN) or environment.get(TOKEN_PATH))


def prepare_token(folder: Path, environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that Ray's head and its clients need.

    Args:
        folder: Where a token is made that stays the same over restarts, if the user has none.

    Raises:
        ServeError: If the user switched authentication off, or the file cannot be written.
    """
    if environment.get(MODE, "token") != "token":
        raise ServeError(
            f"{MODE}={environment[MODE]}: whoever reaches Ray can run anything as you, so the "
            f"service needs a token: unset {MODE}"
        )
    chosen = {name: environment[name] for name in (TOKEN, TOKEN_PATH) if environment.get(name)}
    if chosen:
        return {MODE: "token", **chosen}
    path = folder / "ray-token"
    try:
        if not path.is_file() or not path.read_text().strip():
            _write_private(path, secrets.token_hex(32))
    except OSError as error:
        raise ServeError(f"{path}: cannot be written ({error.strerror})") from error
    return {MODE: "token", TOKEN_PATH: str(path)}


def _write_private(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_suffix(f".{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    draft.replace(path)
