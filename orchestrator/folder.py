"""Where a study's files lie, and the lock that lets one process at a time run it."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from orchestrator.errors import FolderError, StudyBusyError

LEDGER_NAME = "ledger.journal"


@dataclass(frozen=True, slots=True)
class StudyFolder:
    """The folder of one study below the results root."""

    path: Path

    @property
    def ledger(self) -> Path:
        """The Optuna journal: the truth about the study."""
        return self.path / LEDGER_NAME

    @property
    def outbox(self) -> Path:
        """Outcomes that workers finished and the ledger may not hold yet."""
        return self.path / "outbox"

    @property
    def scratch(self) -> Path:
        """Ray's own files; worthless once the sweep has ended."""
        return self.path / "scratch"

    @property
    def report(self) -> Path:
        """Everything that is made from the ledger."""
        return self.path / "report"

    def create(self) -> None:
        """Make the folder and check that it can be written.

        Raises:
            FolderError: If it cannot be made or written.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            probe = self.path / f".write-probe-{os.getpid()}"
            probe.touch()
            probe.unlink()
        except OSError as error:
            raise FolderError(
                f"{self.path}: cannot be written ({error.strerror}); choose another folder "
                "with --results"
            ) from error

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the study for this process; the kernel lets go of it however we end.

        Raises:
            StudyBusyError: If another process holds it.
        """
        with (self.path / "study.lock").open("a") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise StudyBusyError(
                    f"{self.path}: another process is running this study; wait for it or stop it"
                ) from error
            yield


def find_studies(root: Path) -> list[StudyFolder]:
    """Return the folders below ``root`` that hold a ledger, by name."""
    return [StudyFolder(path.parent) for path in sorted(root.glob(f"*/{LEDGER_NAME}"))]
