"""Which lost attempts count: those of packs that do not get on.

A long pack on machines that come and go may be lost many times, and goes on from its checkpoint
each time. One that takes its worker down with it always begins at the same place.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(slots=True)
class Retries:
    """Where the attempts of each pack began, in steps summed over its members."""

    _began: dict[str, int] = field(default_factory=dict)
    _furthest: dict[str, int] = field(default_factory=dict)

    def note(self, starts: Mapping[str, int]) -> None:
        """Take in where the attempts at work began."""
        self._began |= starts

    def count(self, lost: Mapping[str, str]) -> dict[str, str]:
        """Return, of lost packs and the reasons, those whose attempt counts as a failed one.

        That is every attempt that did not begin further than the ones before it.
        """
        return {pack_id: reason for pack_id, reason in lost.items() if not self._got_on(pack_id)}

    def _got_on(self, pack_id: str) -> bool:
        began = self._began.pop(pack_id, 0)
        before = self._furthest.get(pack_id, 0)
        self._furthest[pack_id] = max(began, before)
        return began > before
