"""Trains one finished trial again: same seeds, batches and views, so on a like machine same bits.

Shape legend: P = test images, F = features, D = projection.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from orchestrator.cohorts import group_cohorts
from orchestrator.errors import RerunError
from orchestrator.ledger import Ledger
from orchestrator.pruning import with_pruning
from orchestrator.record import TrialRecord
from trainer.cohort import Cohort, Member, Outcome
from trainer.loop import train_cohort

_OF_THE_MACHINE = {"seconds"}


@dataclass(frozen=True, slots=True)
class Embedded:
    """What a trained member makes of the test images, raw: features [P, F], projections [P, D]."""

    features_PF: Tensor
    projections_PD: Tensor


@dataclass(frozen=True, slots=True)
class Difference:
    """A number of an outcome that came out otherwise; None where one side has no such number."""

    name: str
    kept: object
    again: object


@dataclass(frozen=True, slots=True)
class Rerun:
    """A trial trained again.

    Attributes:
        record: What the ledger holds of it.
        outcome: What came out now.
        embedded: None for a trial that diverged.
    """

    record: TrialRecord
    outcome: Outcome
    embedded: Embedded | None

    @property
    def differences(self) -> list[Difference]:
        """What differs from the ledger's outcome, by name; times don't count."""
        assert self.record.outcome is not None, "only finished trials are trained again"
        kept, again = _flatten(self.record.outcome), _flatten(self.outcome)
        return [
            Difference(name, kept.get(name), again.get(name))
            for name in sorted(kept.keys() | again.keys())
            if kept.get(name) != again.get(name)
        ]


def find_finished(ledger: Ledger, trial: str) -> TrialRecord:
    """Return a finished trial by its number in the ledger, or by its key.

    Raises:
        RerunError: If there is none.
    """
    records = ledger.records()
    for record in records:
        if trial in (str(record.number), record.proposal.key):
            if record.outcome is None:
                raise RerunError(f"trial {trial} of study {ledger.study.name} has no outcome yet")
            return record
    raise RerunError(
        f"study {ledger.study.name} has no trial {trial!r}; expected a number from 0 to "
        f"{len(records) - 1}, or a key, as 'rankfall results {ledger.study.name} --csv -' "
        "lists them"
    )


def rerun_trial(ledger: Ledger, trial: str, device: torch.device | None = None) -> Rerun:
    """Train a trial again, with no other beside it but the references of its couple.

    Args:
        ledger: Of the study; nothing is written to it.
        trial: Number or key of a finished trial.
        device: Where; by default a GPU if there is one.

    Raises:
        RerunError: If there is no such finished trial.
        TrainerError: As :func:`trainer.loop.train_cohort`.
    """
    record = find_finished(ledger, trial)
    cohort = _cohort_of(ledger, record)
    embedded: dict[str, Embedded] = {}

    def keep(member: Member, features_PF: Tensor, projections_PD: Tensor) -> None:
        embedded[member.trial] = Embedded(features_PF, projections_PD)

    device = device or torch.device("cuda" if torch.cuda.is_available() else "cpu")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as lanes do: a sum over threads has another last bit
    try:
        outcomes = {o.trial: o for o in train_cohort(cohort, device=device, on_end=keep)}
    finally:
        torch.set_num_threads(threads)
    key = record.proposal.key
    return Rerun(record, outcomes[key], embedded.get(key))


def _cohort_of(ledger: Ledger, record: TrialRecord) -> Cohort:
    """Return the trial's cohort with nobody left but itself and what it is compared with."""
    records = ledger.records()
    key = record.proposal.key
    for cohort in group_cohorts(ledger.study, [each.proposal for each in records]):
        own = next((member for member in cohort.members if member.trial == key), None)
        if own is not None:
            needed = tuple(m for m in cohort.members if m is own or _is_compared(own, m))
            alone = cohort.model_copy(update={"members": needed})
            return with_pruning([[alone]], ledger.study, records)[0][0]
    raise AssertionError(f"every trial is in a cohort, but not {key}")


def _is_compared(own: Member, other: Member) -> bool:
    return own.couple is not None and own.couple == other.couple and other.is_reference


def _flatten(outcome: Outcome) -> dict[str, object]:
    """Return every number of an outcome by dotted name, but for what the machine decides."""
    flat: dict[str, object] = {}
    _flatten_into(flat, outcome.model_dump(mode="json", exclude=_OF_THE_MACHINE), "")
    return flat


def _flatten_into(flat: dict[str, object], tree: Mapping[str, object], prefix: str) -> None:
    for name, value in tree.items():
        if isinstance(value, Mapping):
            _flatten_into(flat, value, f"{prefix}{name}.")
        else:
            flat[prefix + name] = value
