"""The machine's clock."""

from datetime import UTC, datetime


class SystemClock:
    """Says what time it is, by the machine's clock."""

    def now(self) -> datetime:
        """Return the time, in UTC."""
        return datetime.now(UTC)
