"""What a check found."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class Health(StrEnum):
    """WARN: works, but slower or with less. FAIL: something will not work."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the doctor's: what was looked at, how it is, how to mend it if it is not well."""

    check: str
    health: Health
    found: str
    mend: str | None = None


def worst(findings: Sequence[Finding]) -> Health:
    """Return the worst health of all; OK where nothing was looked at."""
    order = list(Health)
    return max((finding.health for finding in findings), key=order.index, default=Health.OK)
