"""The ledger: an Optuna study that holds what was asked and what became of it.

A round of proposals is one journal entry, and so is a finished trial with its outcome: there
is no moment in which a trial is half told, and nothing is ever left RUNNING. What was asked and
not told is what a resumed sweep trains. Optuna's own tools open the file.
"""

import dataclasses
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import optuna
from optuna import distributions as ranges
from optuna.trial import TrialState as OptunaState
from optuna.trial import create_trial

from orchestrator.errors import LedgerError, PriorError, StudyChangedError
from orchestrator.ledger_store import open_store, reaching
from orchestrator.planners.protocol import Proposal
from orchestrator.record import Provenance, TrialRecord, TrialState
from search_spaces.axis import Axis, RangeAxis
from search_spaces.load import parse_study
from search_spaces.point import Point
from search_spaces.prior_boundary import PriorBoundary
from search_spaces.study import Study
from trainer.cohort import Outcome
from trainer.seeds import derive_seed

_ROUND = "round:"
_START = "start"


class Ledger:
    """What one study asked and learned. One process writes; any may read."""

    def __init__(self, study: Study, optuna_study: optuna.Study) -> None:
        self.study = study
        self._optuna = optuna_study
        self._rounds: list[list[Proposal]] = _read_rounds(optuna_study)
        self._records: list[TrialRecord] = []
        self._places: dict[str, int] = {}
        for index, asked_at in enumerate(_read_round_times(optuna_study)):
            self._open(index, asked_at)
        for trial in optuna_study.get_trials(deepcopy=False):
            self._close(trial)

    @classmethod
    def open(cls, path: Path, study: Study) -> "Ledger":
        """Open the ledger of ``study``, or start it where there is none.

        Where the study has a prior, what the ledger holds of it counts; a new ledger takes in
        ``study.start``.

        Raises:
            PriorError: If the study has a prior and neither the ledger nor it knows it.
            StudyChangedError: If the ledger belongs to a study that asks something else.
            LedgerError: If the file is not a Rankfall ledger.
        """
        optuna_study = _open_optuna_study(path, study.name)
        found = optuna_study.user_attrs.get("digest")
        if found not in (None, study.digest):
            raise StudyChangedError(
                f"{path}: belongs to study {study.name} {found}, but the file now describes "
                f"{study.digest}: give the changed study a new name, or choose another folder "
                "with --results (only the budget of a running study may change)"
            )
        study = _keep_start(optuna_study, study)  # first: a ledger with a digest has its prior
        for name, value in _description(study).items():
            if optuna_study.user_attrs.get(name) != value:
                optuna_study.set_user_attr(name, value)
        if "identity" not in optuna_study.user_attrs:
            optuna_study.set_user_attr("identity", uuid.uuid4().hex)
        return cls(study, optuna_study)

    @classmethod
    def load(cls, path: Path) -> "Ledger":
        """Open an existing ledger together with the study that it holds, to read it.

        Raises:
            LedgerError: If there is none or it is not a Rankfall ledger.
        """
        if not path.is_file():
            raise LedgerError(f"{path}: there is no ledger here; 'rankfall run' makes one")
        store = open_store(path)
        if len(store.names) != 1:
            raise LedgerError(f"{path}: expected the ledger of one study, got {len(store.names)}")
        optuna_study = optuna.load_study(study_name=store.names[0], storage=store.storage)
        attributes = optuna_study.user_attrs
        if "source_text" not in attributes:
            raise LedgerError(f"{path}: holds an Optuna study that Rankfall did not write")
        study = parse_study(
            attributes["source_text"], str(path), attributes["overrides"], is_recorded=True
        )
        return cls(dataclasses.replace(study, start=_start_of(optuna_study)), optuna_study)

    @property
    def identity(self) -> str:
        """Random name of this ledger: two ledgers of one study are told apart by it."""
        return str(self._optuna.user_attrs["identity"])

    @property
    def provenance(self) -> Provenance:
        """What the latest run that had anything to train was made with."""
        return Provenance(**self._optuna.user_attrs["provenance"])

    @property
    def has_provenance(self) -> bool:
        """Whether anything is written down of what the study is made with."""
        return "provenance" in self._optuna.user_attrs

    def set_provenance(self, provenance: Provenance) -> None:
        """Write down what this run of the study is made with."""
        content = dataclasses.asdict(provenance)
        if self._optuna.user_attrs.get("provenance") != content:
            self._optuna.set_user_attr("provenance", content)

    def add_round(self, proposals: Sequence[Proposal]) -> None:
        """Write down a round before any of it is trained, as one entry."""
        now = datetime.now(UTC)
        entry = {
            "asked_at": now.isoformat(),
            "trials": [[dict(p.point.coordinates), p.replicate] for p in proposals],
        }
        with reaching():
            self._optuna.set_user_attr(f"{_ROUND}{len(self._rounds):06d}", entry)
        self._rounds.append(list(proposals))
        self._open(len(self._rounds) - 1, now)

    def tell(self, outcome: Outcome) -> None:
        """Write down the outcome of a trial that was asked; telling it again changes nothing."""
        if self._find(outcome.trial).state is not TrialState.FINISHED:
            content = {"outcome": outcome.model_dump(mode="json")}
            self._add(outcome.trial, OptunaState.COMPLETE, outcome.score, content)

    def tell_missing(self, key: str, failure: str) -> None:
        """Write down that a trial's attempts failed; a later outcome replaces this."""
        if self._find(key).state is TrialState.PENDING:
            self._add(key, OptunaState.FAIL, None, {"failure": failure})

    def records(self) -> list[TrialRecord]:
        """Return every trial, in the order in which they were asked."""
        return list(self._records)

    @property
    def rounds(self) -> list[list[Proposal]]:
        """The planner's rounds so far, oldest first."""
        return [list(round_) for round_ in self._rounds]

    def _add(
        self, key: str, state: OptunaState, value: float | None, content: dict[str, Any]
    ) -> None:
        record = self._find(key)
        point = record.proposal.point
        trial = create_trial(
            state=state,
            value=value,
            params=dict(point.coordinates) | {"replicate": record.proposal.replicate},
            distributions=_distributions(self.study, point),
            user_attrs={"key": key, **content},
        )
        trial.datetime_start = record.asked_at.astimezone().replace(tzinfo=None)
        with reaching():
            self._optuna.add_trial(trial)
        self._close(trial)

    def _find(self, key: str) -> TrialRecord:
        return self._records[self._places[key]]

    def _open(self, round_number: int, asked_at: datetime) -> None:
        """Take a round's trials into the records, which are kept: 10,000 take a second to make."""
        for proposal in self._rounds[round_number]:
            self._places[proposal.key] = len(self._records)
            record = TrialRecord(
                number=len(self._records),
                round_number=round_number,
                proposal=proposal,
                settings=self.study.settings_at(proposal.point),
                seed=replicate_seed(self.study, proposal.replicate),
                state=TrialState.PENDING,
                outcome=None,
                failure=None,
                asked_at=asked_at,
                told_at=None,
            )
            self._records.append(record)

    def _close(self, trial: optuna.trial.FrozenTrial) -> None:
        """Take what became of a trial into its record."""
        place = self._places[trial.user_attrs["key"]]
        outcome = trial.user_attrs.get("outcome")
        is_complete = trial.state is OptunaState.COMPLETE
        self._records[place] = dataclasses.replace(
            self._records[place],
            state=TrialState.FINISHED if is_complete else TrialState.MISSING,
            outcome=None if outcome is None else Outcome.model_validate(outcome),
            failure=trial.user_attrs.get("failure"),
            told_at=_utc(trial.datetime_complete),
        )


def read_start(path: Path) -> PriorBoundary | None:
    """Return the prior that a ledger wrote down; None without ledger or prior.

    Raises:
        LedgerError: If the file is no journal of Optuna's.
    """
    if not path.is_file():
        return None
    store = open_store(path)
    if len(store.names) != 1:
        return None
    return _start_of(optuna.load_study(study_name=store.names[0], storage=store.storage))


def _start_of(optuna_study: optuna.Study) -> PriorBoundary | None:
    content = optuna_study.user_attrs.get(_START)
    return None if content is None else PriorBoundary.from_content(content)


def _keep_start(optuna_study: optuna.Study, study: Study) -> Study:
    """Return the study with the prior that the ledger holds, from now on at the latest."""
    if study.prior is None:
        return study
    start = _start_of(optuna_study)
    if start is None and study.start is None:
        raise PriorError(
            f"study {study.name} starts from {study.prior}, of which nothing is known here: "
            "expected what starting_point.with_start returns"
        )
    if start is None and study.start is not None:
        start = study.start
        optuna_study.set_user_attr(_START, start.to_content())
    return dataclasses.replace(study, start=start)


def replicate_seed(study: Study, replicate: int) -> int:
    """Return the seed that all trials of one replicate share, whatever their point.

    Studies that name one origin of their seeds share them, so they are paired.
    """
    return derive_seed(study.seeds_from or study.name, study.seed, "replicate", replicate)


def _open_optuna_study(path: Path, name: str) -> optuna.Study:
    """Open or start the Optuna study; a refused file is left as it is."""
    store = open_store(path)
    name = store.own_name or name
    if not store.names:
        return optuna.create_study(storage=store.storage, study_name=name)
    if store.names != [name]:
        raise LedgerError(f"{path}: holds an Optuna study that is not {name}: {store.names}")
    # Not create_study(load_if_exists=True), which writes to the journal every time.
    optuna_study = optuna.load_study(study_name=name, storage=store.storage)
    if "digest" not in optuna_study.user_attrs and optuna_study.get_trials(deepcopy=False):
        raise LedgerError(f"{path}: holds an Optuna study that Rankfall did not write")
    return optuna_study


def _description(study: Study) -> dict[str, Any]:
    return {
        "digest": study.digest,
        "source_text": study.source_text,
        "overrides": list(study.overrides),
    }


def _read_rounds(optuna_study: optuna.Study) -> list[list[Proposal]]:
    return [
        [Proposal(Point.of(point), replicate) for point, replicate in entry["trials"]]
        for entry in _round_entries(optuna_study)
    ]


def _read_round_times(optuna_study: optuna.Study) -> list[datetime]:
    return [datetime.fromisoformat(e["asked_at"]) for e in _round_entries(optuna_study)]


def _round_entries(optuna_study: optuna.Study) -> list[dict[str, Any]]:
    attributes = optuna_study.user_attrs
    return [attributes[name] for name in sorted(attributes) if name.startswith(_ROUND)]


def _distributions(study: Study, point: Point) -> dict[str, ranges.BaseDistribution]:
    coordinates = dict(point.coordinates)
    distributions = {a.path: _distribution(a) for a in study.axes if a.path in coordinates}
    return distributions | {"replicate": ranges.IntDistribution(0, max(study.replicates - 1, 0))}


def _distribution(axis: Axis) -> ranges.BaseDistribution:
    if isinstance(axis, RangeAxis):
        return ranges.FloatDistribution(axis.low, axis.high, log=axis.log)
    return ranges.CategoricalDistribution(axis.values)


def _utc(local: datetime | None) -> datetime | None:
    # Optuna keeps naive local times.
    return None if local is None else local.astimezone(UTC)
