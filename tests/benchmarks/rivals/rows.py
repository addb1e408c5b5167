"""The boundary benchmark's rows in a file: one JSON object a line, a digest of them at the end."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ORDER = ("axes", "world", "method", "budget")


class RowFile:
    """Rows that outlive the run; without a path they are only collected.

    Args:
        path: A file to go on with, or to begin. A digest in it must fit its rows.

    Raises:
        ValueError: If the rows were changed after their digest was written.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self.rows: list[dict[str, Any]] = []
        if path is not None and path.exists():
            self.rows = read_rows(path)
            self._write(self.rows)  # without its digest: there is more to come

    def add(self, row: dict[str, Any]) -> None:
        """Take in a row, in the file before anything else happens."""
        self.rows.append(row)
        if self._path is not None:
            with self._path.open("a") as file:
                file.write(json.dumps(row) + "\n")

    def close(self) -> None:
        """Sort the file's rows by cell and write their digest after them."""
        if self._path is not None:
            self.rows.sort(
                key=lambda row: (row["axes"], row["world"], row["method"], row["budget"])
            )
            self._write([*self.rows, {"digest": digest_of(self.rows)}])

    def _write(self, lines: Sequence[dict[str, Any]]) -> None:
        assert self._path is not None, "only called with a file"
        self._path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Return the rows of a file.

    Raises:
        ValueError: If the rows were changed after their digest was written.
    """
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    rows = [line for line in lines if "digest" not in line]
    for digest in (line["digest"] for line in lines if "digest" in line):
        if digest != digest_of(rows):
            raise ValueError(f"{path} was changed after it was made; run the benchmark again")
    return rows


def digest_of(rows: Sequence[dict[str, Any]]) -> str:
    """Return 16 hexadecimal characters of the rows' content."""
    return hashlib.sha256(json.dumps(rows, sort_keys=True).encode()).hexdigest()[:16]
