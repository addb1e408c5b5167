"""Rows of a source's CSV file, each with the line it stands on."""

import csv
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from trainer.data.audio.source import Split
from trainer.errors import BadClipError, BadSourceError, MissingSourceError

_SPLITS: dict[str, Split] = {"train": "train", "val": "val", "test": "test"}


@dataclass(frozen=True, slots=True)
class Row:
    """One row: its fields by column, and where it stands."""

    path: Path
    line: int
    fields: dict[str, str]

    @property
    def place(self) -> str:
        """Name file and line, e.g. ``train.csv:12``."""
        return f"{self.path.name}:{self.line}"

    def bad(self, reason: str) -> BadClipError:
        """Return an error that names this row."""
        return BadClipError("folder", f"{self.path}:{self.line}: {reason}")

    def text(self, column: str) -> str:
        """Return a field without the space around it.

        Raises:
            BadClipError: If it is empty.
        """
        text = self.fields[column].strip()
        if not text:
            kind = "caption" if column.startswith("caption") else column
            raise self.bad(f"expected a {kind}, got an empty field; fill it or remove the row")
        return text

    def file_name(self, column: str) -> str:
        """Return a field as it stands: names of files may begin or end with spaces.

        Raises:
            BadClipError: If it is empty.
        """
        self.text(column)
        return self.fields[column]

    def whole(self, column: str, lowest: int, highest: int) -> int:
        """Return a whole number.

        Raises:
            BadClipError: If it is none, or outside the range.
        """
        text = self.text(column)
        if text.isdecimal() and lowest <= int(text) <= highest:
            return int(text)
        raise self.bad(f"expected {column} from {lowest} to {highest}, got {text!r}")

    def split(self, column: str = "split") -> Split:
        """Return the split that a field names.

        Raises:
            BadClipError: If it is none of the three.
        """
        text = self.text(column)
        if text not in _SPLITS:
            raise self.bad(f"expected {column} train, val or test, got {text!r}")
        return _SPLITS[text]


def read_rows(path: Path, columns: Collection[str], how_to_get: str) -> list[Row]:
    """Return the rows of a CSV file in UTF-8, whose first line names the columns.

    Args:
        path: The file.
        columns: Those that it must have; it may have more.
        how_to_get: Said where there is no file.

    Raises:
        MissingSourceError: If there is no file.
        BadSourceError: If it is no UTF-8, has no rows or lacks a column.
        BadClipError: If a row is no CSV, or has more or fewer fields than there are columns.
    """
    if not path.is_file():
        raise MissingSourceError("folder", f"there is no file {path}; {how_to_get}")
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = _parse(path, file, columns)
    except UnicodeDecodeError as error:
        raise BadSourceError("folder", f"{path}: expected CSV in UTF-8 ({error})") from error
    if not rows:
        raise BadSourceError("folder", f"{path}: expected a row for each clip, got none")
    return rows


def _parse(path: Path, file: TextIO, columns: Collection[str]) -> list[Row]:
    reader = csv.reader(file, strict=True)
    try:
        names = [name.strip() for name in next(reader, [])]
        _check_columns(path, names, columns)
        return [_row(path, reader.line_num, names, fields) for fields in reader if fields]
    except csv.Error as error:
        raise BadClipError(
            "folder", f"{path}:{reader.line_num}: expected a row of CSV ({error})"
        ) from error


def _check_columns(path: Path, names: list[str], columns: Collection[str]) -> None:
    lacking = [column for column in columns if column not in names]
    if lacking or len(set(names)) < len(names):
        raise BadSourceError(
            "folder",
            f"{path}:1: expected the columns {', '.join(columns)}, each once, got "
            f"{', '.join(names) or 'nothing'}",
        )


def _row(path: Path, line: int, names: list[str], fields: list[str]) -> Row:
    row = Row(path, line, dict(zip(names, fields, strict=False)))
    if len(fields) != len(names):
        raise row.bad(
            f"expected {len(names)} fields, got {len(fields)}; a field with a comma needs "
            "quotation marks"
        )
    return row
