"""Opens Optuna's journal file so that a kill at any moment leaves it readable.

Optuna appends whole lines and holds a lock file meanwhile. A process killed inside an append
leaves a torn last line, on which every later read fails, and its lock, for which everybody
waits 30 s. Both are mended here, by the one process that holds the study's own lock.
"""

import os
from pathlib import Path

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from orchestrator.errors import LedgerError

_CHUNK_BYTES = 1 << 16


def open_journal(path: Path) -> JournalStorage:
    """Open the journal as it is; a torn last line is left out.

    Raises:
        LedgerError: If the file is no journal of Optuna's, or cannot be read or made.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)  # not "A new study created ..."
    try:
        return JournalStorage(JournalFileBackend(str(path)))
    except OSError as error:
        raise LedgerError(f"{path}: cannot be opened ({error.strerror})") from error
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        # Optuna trusts the file: what it stumbles over depends on what somebody put there.
        raise LedgerError(f"{path}: is not a journal that Optuna wrote") from error


def mend_journal(path: Path) -> None:
    """Cut off a torn last line and remove a lock that a killed process left.

    Only for the holder of the study's lock: nobody else may be writing.
    """
    Path(f"{path}.lock").unlink(missing_ok=True)
    if path.exists():
        whole_bytes = _end_of_last_line(path)
        if whole_bytes < path.stat().st_size:
            os.truncate(path, whole_bytes)


def _end_of_last_line(path: Path) -> int:
    """Return how many bytes of the file belong to whole lines."""
    position = path.stat().st_size
    with path.open("rb") as file:
        while position > 0:
            start = max(0, position - _CHUNK_BYTES)
            file.seek(start)
            newline = file.read(position - start).rfind(b"\n")
            if newline >= 0:
                return start + newline + 1
            position = start
    return 0
