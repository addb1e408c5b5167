"""Files that are either whole or absent, whatever is killed when."""

import os
from pathlib import Path


def write_durably(path: Path, content: bytes) -> None:
    """Write ``content`` to ``path`` so that a reader never sees a part of it.

    The bytes reach the disk under a temporary name first; the rename is the commit.

    Raises:
        OSError: If the folder is missing or not writable, or the disk is full.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
