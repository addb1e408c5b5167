"""Where a study's files lie, and the lock that lets one process at a time run it."""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
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
    def checkpoints(self) -> Path:
        """Packs in training; what a killed sweep left is gone on with by the next."""
        return self.scratch / "checkpoints"

    @property
    def scratch(self) -> Path:
        """Ray's own files; worthless once the sweep has ended."""
        return self.path / "scratch"

    @property
    def report(self) -> Path:
        """Everything that is made from the ledger."""
        return self.path / "report"

    def create(self) -> list[Path]:
        """Make the folder and check that it can be written.

        Returns:
            The folders that were made, the innermost first: what :meth:`discard` takes.

        Raises:
            FolderError: If it cannot be made or written.
        """
        lineage = (self.path, *self.path.parents)
        try:
            made = [folder for folder in lineage if not folder.exists()]
            self.path.mkdir(parents=True, exist_ok=True)
            probe = self.path / f".write-probe-{os.getpid()}"
            probe.touch()
            probe.unlink()
        except OSError as error:
            raise FolderError(
                f"{self.path}: cannot be written ({error.strerror}); choose another folder "
                "with --results"
            ) from error
        return made

    def discard(self, made: list[Path]) -> None:
        """Remove a study that never began, and the folders that were made for it."""
        if self.path not in made:
            return
        shutil.rmtree(self.path, ignore_errors=True)
        for folder in made:
            # Another study may have come to lie there meanwhile: never remove a full folder.
            with suppress(OSError):
                folder.rmdir()

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
