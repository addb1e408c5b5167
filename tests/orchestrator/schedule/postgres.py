"""A real PostgreSQL server of the test's own, where the machine has one installed."""

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_USER = "postgres"


def find_postgres() -> Path | None:
    """Return the folder of PostgreSQL's programs: Debian keeps them off the path."""
    if (found := shutil.which("initdb")) is not None:
        return Path(found).resolve().parent
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    return folders[-1] if folders else None


@contextmanager
def running_postgres(programs: Path) -> Iterator[str]:
    """Run a server inside the block; yields the URL of an empty database with a password."""
    # It refuses to be root, and its socket's path must be short.
    user = _USER if os.getuid() == 0 else None
    with tempfile.TemporaryDirectory(prefix="pg") as name:
        folder, port = Path(name), _free_port()
        (folder / "password").write_text("s3cret")
        if user is not None:
            for path in (folder, folder / "password"):
                shutil.chown(path, user)

        def run(program: str, *words: str) -> None:
            command = [str(programs / program), "-D", str(folder / "data"), *words]
            subprocess.run(command, cwd=folder, user=user, check=True, capture_output=True)

        password = f"--pwfile={folder / 'password'}"
        run("initdb", "-U", "rankfall", "--auth=scram-sha-256", password)
        options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off"
        run("pg_ctl", "-w", "-l", str(folder / "log"), "-o", options, "start")
        try:
            yield f"postgresql://rankfall:s3cret@127.0.0.1:{port}/postgres"
        finally:
            run("pg_ctl", "-w", "-m", "immediate", "stop")


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])
