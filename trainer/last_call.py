"""The last call: packs at work write a checkpoint now, because their sweep is about to end.

A file in the folder of checkpoints makes it, for driver and workers share no more than that once
the driver was interrupted. A pack answers at its next check, by a checkpoint or by its outcomes.
"""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

_NAME = "last-call"
_POLL_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class LastCall:
    """A call to the packs whose checkpoints lie in a folder."""

    folder: Path

    @property
    def is_made(self) -> bool:
        """Whether the packs have been called."""
        return self._path.exists()

    def make(self) -> None:
        """Call the packs."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._path.touch()

    def withdraw(self) -> None:
        """Forget the call: before a sweep begins, and when one could not be made."""
        self._path.unlink(missing_ok=True)

    def await_answers(
        self,
        pack_ids: Iterable[str],
        outbox: Path,
        seconds: float,
        pause: Callable[[float], None] = time.sleep,
    ) -> list[str]:
        """Wait until every pack has answered, or for so long.

        Args:
            pack_ids: The packs at work.
            outbox: Where outcomes of packs that end meanwhile appear.
            seconds: How long to wait at most.
            pause: Sleeps.

        Returns:
            The packs that have not answered: they go on from an older checkpoint.
        """
        waiting = sorted(set(pack_ids))
        called_at = self._path.stat().st_mtime_ns
        for _ in range(int(seconds / _POLL_SECONDS) + 1):
            waiting = [i for i in waiting if not self._has_answered(i, outbox, called_at)]
            if not waiting:
                break
            pause(_POLL_SECONDS)
        return waiting

    @property
    def _path(self) -> Path:
        return self.folder / _NAME

    def _has_answered(self, pack_id: str, outbox: Path, called_at: int) -> bool:
        if (outbox / f"{pack_id}.json").exists():
            return True
        # A pack that was too large for the memory writes the checkpoints of its halves.
        written = [path.stat().st_mtime_ns for path in self.folder.glob(f"{pack_id}.*")]
        # Both times are the file server's.
        return max(written, default=0) >= called_at
