"""What lies behind one number of a report: trials, seeds, runs, code and data."""

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from orchestrator.audit.catalogue import list_numbers
from orchestrator.audit.number import Number
from orchestrator.audit.tracked import TrackedRuns
from orchestrator.collapse_map import build_map
from orchestrator.errors import ExplainError
from orchestrator.ledger import Ledger
from orchestrator.record import Provenance, TrialRecord
from search_spaces.study import Study

_CLOSE = 3


@dataclass(frozen=True, slots=True)
class Explanation:
    """A number and all that it comes from.

    Attributes:
        trials: Those behind it, by number.
        tracked: Their MLflow runs.
    """

    number: Number
    study: Study
    trials: tuple[TrialRecord, ...]
    tracked: TrackedRuns
    provenance: Provenance

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds of the trials, each once."""
        return tuple(dict.fromkeys(trial.seed for trial in self.trials))


def catalogue_of(ledger: Ledger) -> tuple[Number, ...]:
    """Return the numbers of a ledger's report as it would be made now."""
    records = ledger.records()
    return list_numbers(build_map(ledger.study, records), records)


def find_number(numbers: Sequence[Number], wanted: str, study: str) -> Number:
    """Return the number of an id, or of the beginning of one where no other begins so.

    Raises:
        ExplainError: If there is none; its text names those that are close.
    """
    found = [number for number in numbers if number.id == wanted]
    begun = [number for number in numbers if wanted and number.id.startswith(wanted)]
    if len(found or begun) == 1:
        return (found or begun)[0]
    raise ExplainError(_say_unknown(numbers, begun, wanted, study))


def explain_number(ledger: Ledger, number: Number, tracked: TrackedRuns) -> Explanation:
    """Return what lies behind a number of a ledger's study."""
    keys = set(number.trials)
    trials = tuple(record for record in ledger.records() if record.key in keys)
    return Explanation(number, ledger.study, trials, tracked, ledger.provenance)


def _say_unknown(
    numbers: Sequence[Number], begun: Sequence[Number], wanted: str, study: str
) -> str:
    ids = [number.id for number in begun] or [number.id for number in numbers]
    close = ids[:_CLOSE] if begun else get_close_matches(wanted, ids, _CLOSE, cutoff=0.5)
    words = f"; close to it: {', '.join(close)}" if close else ""
    many = f"{len(begun)} numbers" if begun else "no number"
    return (
        f"study {study} has {many} {wanted!r}{words}; expected an id as its report shows "
        f"it, or as 'rankfall explain {study}' lists it"
    )
