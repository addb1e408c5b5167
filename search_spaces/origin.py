"""Where a piece of a study was written, and what is wrong with it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Origin:
    """A line of a file (from 1), or a whole source such as ``--set lr=0.1`` (line None)."""

    source: str
    line: int | None = None

    def __str__(self) -> str:
        return self.source if self.line is None else f"{self.source}:{self.line}"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong: where, at which field (dotted, may be empty), and why."""

    origin: Origin
    path: str
    message: str

    def __str__(self) -> str:
        path = self.path if self.path.isprintable() else repr(self.path)
        field = f"{path}: " if path else ""
        return f"{self.origin}: {field}{self.message}"

    def sort_key(self) -> tuple[bool, int, str, str]:
        """Order of a report: by line, what has none last."""
        line = self.origin.line
        return (line is None, line or 0, str(self.origin), self.path)
