"""What is written down about each member on the way, who is decided, and the outcomes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import assert_never

from pydantic import TypeAdapter

from trainer.cohort import Cohort, History, Member, Outcome
from trainer.collapse.regime import (
    CollapseLevel,
    Persistence,
    Regime,
    classify,
    is_settled,
)
from trainer.readings import Reading

DIVERGED_SCORE = 0.0
"""Score of a diverged trial: finite, and below the range of every rank metric."""


@dataclass(slots=True)
class Entry:
    """One member's record; ``readings[i]`` and ``losses[i]`` belong to ``steps[i]``."""

    member: Member
    initial: Reading
    initial_quality: dict[str, float]
    initial_loss: float | None = None
    steps: list[int] = field(default_factory=list)
    readings: list[Reading] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)
    early_regime: Regime | None = None
    is_pruned: bool = False
    outcome: Outcome | None = None


_ENTRIES = TypeAdapter(dict[str, Entry])


class Logbook:
    """The records of a cohort's members, by trial key."""

    def __init__(self, cohort: Cohort, level: CollapseLevel) -> None:
        self._cohort = cohort
        self._level = level
        self._entries: dict[str, Entry] = {}

    def state(self) -> str:
        """Return all entries as JSON, for :meth:`restore`."""
        return _ENTRIES.dump_json(self._entries, by_alias=True).decode()

    def restore(self, state: str) -> None:
        """Replace all entries by those of :meth:`state`."""
        self._entries = _ENTRIES.validate_json(state)

    def open(
        self,
        members: Sequence[Member],
        readings: Sequence[Reading],
        qualities: Sequence[dict[str, float]],
    ) -> None:
        """Start the record of each member with what was measured before the first step."""
        for member, reading, quality in zip(members, readings, qualities, strict=True):
            assert member.trial not in self._entries, f"{member.trial} is twice in one cohort"
            self._entries[member.trial] = Entry(member, reading, quality)

    def note_first_loss(self, member: Member, loss: float) -> None:
        """Write down the loss of the initial weights (the first step's, before its update)."""
        self._entries[member.trial].initial_loss = loss

    def record(self, member: Member, reading: Reading, loss: float, step: int) -> None:
        """Write down one check; the loss is that of the step just taken."""
        entry = self._entries[member.trial]
        entry.steps.append(step)
        entry.readings.append(reading)
        entry.losses.append(loss)

    def is_decided(self, member: Member) -> bool:
        """Say whether the member may leave now; an audited one never does, but is noted.

        Nor does a coupled one: the others of its couple need it to the end. What is pruned leaves,
        audited or not.
        """
        entry, settings = self._entries[member.trial], self._cohort.collapse
        entry.is_pruned = _is_pruned(entry)
        if entry.is_pruned:
            return True
        if settings.settle_checks == 0:
            return False
        rule = Persistence(settings.settle_checks, settings.margin)
        if not is_settled([r.score for r in entry.readings], self._level, rule):
            return False
        if entry.early_regime is None:
            entry.early_regime = self._classify(entry, final=None)
        return not member.audited and member.couple is None

    def close_diverged(self, member: Member, step: int) -> None:
        """End a member whose loss or embeddings stopped being finite at ``step``."""
        entry = self._entries[member.trial]
        entry.outcome = Outcome(
            trial=member.trial,
            regime=Regime.DIVERGED,
            score=DIVERGED_SCORE,
            measures={},
            initial=_initial(entry),
            spectrum=(),
            history=_history(entry),
            steps_done=step,
            decided_early=step < self._cohort.train.steps,
            diverged_at_step=step,
            early_regime=entry.early_regime,
            coupling=_coupling(entry),
        )

    def close(self, member: Member, final: Mapping[str, float], step: int) -> None:
        """End a member in the state of its last check, with its final measures."""
        entry = self._entries[member.trial]
        last = entry.readings[-1]
        entry.outcome = Outcome(
            trial=member.trial,
            regime=self._classify(entry, final=final),
            score=last.score,
            measures=last.values | {"train_loss": entry.losses[-1]} | dict(final) | last.coupling,
            initial=_initial(entry),
            spectrum=last.spectrum,
            history=_history(entry),
            steps_done=step,
            decided_early=step < self._cohort.train.steps,
            early_regime=entry.early_regime if member.audited else None,
            pruned_at_step=step if entry.is_pruned else None,
            coupling=_coupling(entry),
        )

    def outcomes(self, seconds: float) -> list[Outcome]:
        """Return all outcomes by trial key, ``seconds`` shared out by the steps they took."""
        done = [e.outcome for e in self._entries.values() if e.outcome is not None]
        assert len(done) == len(self._entries), "every member ends decided, diverged or trained"
        total = sum(outcome.steps_done for outcome in done)
        return [
            outcome.model_copy(update={"seconds": seconds * outcome.steps_done / total})
            for outcome in sorted(done, key=lambda outcome: outcome.trial)
        ]

    def _classify(self, entry: Entry, final: Mapping[str, float] | None) -> Regime:
        """Judge the latest check; an early verdict (no ``final``) is on the rank alone."""
        last, utility, at_init = entry.readings[-1], None, None
        if final is not None:
            utility = self._utility(final, entry.losses[-1])
            at_init = self._utility(entry.initial_quality, entry.initial_loss)
        return classify(
            last.score,
            self._level,
            effective_rank=last.values["effective_rank"],
            is_finite=True,
            utility=utility,
            utility_at_init=at_init,
        )

    def _utility(self, measures: Mapping[str, float], loss: float | None) -> float:
        match self._cohort.collapse.utility:
            case "knn_accuracy" | "recall_at_1" as name:
                return measures[name]
            case "train_loss":
                assert loss is not None, "a member with a reading had a finite first loss"
                return -loss
            case unreachable:
                assert_never(unreachable)


def _is_pruned(entry: Entry) -> bool:
    """Say whether the latest check falls short of what the member's pruning asks for."""
    pruning = entry.member.pruning
    if pruning is None:
        return False
    measures = entry.readings[-1].values | {"train_loss": entry.losses[-1]}
    value = measures.get(pruning.metric)
    return value is not None and pruning.ends(entry.steps[-1], value)


def _initial(entry: Entry) -> dict[str, float]:
    loss = {} if entry.initial_loss is None else {"train_loss": entry.initial_loss}
    own = entry.initial.values | loss | entry.initial_quality
    return own | entry.initial.coupling


def _coupling(entry: Entry) -> History | None:
    """Return the measures against the reference, at the checks where there are any."""
    checks = zip([0, *entry.steps], [entry.initial, *entry.readings], strict=True)
    rows = [(step, reading.coupling) for step, reading in checks if reading.coupling]
    if not rows:
        return None
    return History(
        steps=tuple(step for step, _ in rows),
        values={name: tuple(row[name] for _, row in rows) for name in rows[0][1]},
    )


def _history(entry: Entry) -> History:
    if entry.initial_loss is None:
        return History(steps=(), values={})
    rows = [
        reading.values | {"train_loss": loss}
        for reading, loss in zip(
            [entry.initial, *entry.readings], [entry.initial_loss, *entry.losses], strict=True
        )
    ]
    # A ratio may have no finite value at some check: what is not everywhere is no history.
    names = [name for name in rows[0] if all(name in row for row in rows)]
    return History(
        steps=(0, *entry.steps),
        values={name: tuple(row[name] for row in rows) for name in names},
    )
