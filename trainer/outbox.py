"""Outcomes on disk before anything else hears of them.

A worker writes each pack's outcomes here; the sweep tells them to the ledger and only then
removes the file. What a killed sweep left behind is told when the study goes on.
"""

from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter

from trainer.cohort import Outcome
from trainer.durable import write_durably

_OUTCOMES = TypeAdapter(list[Outcome])


@dataclass(frozen=True, slots=True)
class Outbox:
    """A folder of outcome files, one per pack."""

    folder: Path

    def put(self, pack_id: str, outcomes: list[Outcome]) -> None:
        """Store the outcomes of one pack; the same pack again replaces them.

        Raises:
            OSError: If the folder is not writable or the disk is full.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        write_durably(self.folder / f"{pack_id}.json", _OUTCOMES.dump_json(outcomes))

    def waiting(self) -> list[Outcome]:
        """Return every stored outcome, in the order of the file names."""
        return [
            outcome
            for path in sorted(self.folder.glob("*.json"))
            for outcome in _OUTCOMES.validate_json(path.read_bytes())
        ]

    def clear(self) -> None:
        """Remove the stored outcomes: call when the ledger holds them.

        What a killed worker had only half written (``write_durably``) goes with them.
        """
        for pattern in ("*.json", ".*.json.*.tmp"):
            for path in self.folder.glob(pattern):
                path.unlink(missing_ok=True)
