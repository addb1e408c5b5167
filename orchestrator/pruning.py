"""Asynchronous successive halving (ASHA): what trials must reach to be trained on.

The rule is Optuna's ``SuccessiveHalvingPruner`` with its defaults, over checks in the place of
steps: rungs are the checks 1, 4, 16, ..., and of the trials that came to a rung the best quarter is
trained on. A trial is compared with those of earlier rounds alone. Rounds are a barrier, so what
ends a trial depends on neither packs nor lanes nor on who was faster, and a study that is resumed
ends the same trials. Those of the first round are never ended.

References:
    Li et al., "A System for Massively Parallel Hyperparameter Tuning", MLSys 2020,
    arXiv:1810.05934.
"""

import itertools
import logging
from collections.abc import Iterable, Sequence
from typing import Literal

import optuna
from optuna.trial import TrialState as OptunaState

from orchestrator.record import TrialRecord
from search_spaces.study import Study
from trainer.cohort import Cohort, Member, Outcome, Pruning

REDUCTION_FACTOR = 4
"""Optuna's default: one of so many is trained on from rung to rung."""

Direction = Literal["maximize", "minimize"]


def with_pruning(
    hands: Iterable[Sequence[Cohort]], study: Study, records: Sequence[TrialRecord]
) -> list[tuple[Cohort, ...]]:
    """Return cohorts with every member told what it must reach; as they are without a pruner.

    Args:
        hands: Of trials that ``records`` have.
        study: Its ``pruner`` and ``optimise`` say whether and by what.
        records: All trials asked so far.
    """
    if study.pruner is None:
        return [tuple(hand) for hand in hands]
    round_of = {record.key: record.round_number for record in records}
    known: dict[int, Pruning] = {}

    def tell(member: Member) -> Member:
        number = round_of[member.trial]
        if number not in known:
            earlier = (r.outcome for r in records if r.round_number < number)
            known[number] = find_pruning(study, [o for o in earlier if o is not None])
        return member.model_copy(update={"pruning": known[number]})

    return [
        tuple(
            cohort.model_copy(update={"members": tuple(map(tell, cohort.members))})
            for cohort in hand
        )
        for hand in hands
    ]


def find_pruning(study: Study, outcomes: Sequence[Outcome]) -> Pruning:
    """Return what trials must reach at each rung that one of these outcomes came to."""
    assert study.optimise is not None, "a pruner is for question: optimise"
    metric, direction = study.optimise.metric, study.optimise.direction
    steps: list[int] = []
    bounds: list[float] = []
    for rung in itertools.count():
        step = study.collapse.every_steps * REDUCTION_FACTOR**rung
        values = [v for o in outcomes if (v := _value_at(o, metric, step)) is not None]
        if not values:
            break
        steps.append(step)
        bounds.append(find_bound(values, rung, direction))
    return Pruning(metric=metric, direction=direction, steps=tuple(steps), bounds=tuple(bounds))


def find_bound(values: Sequence[float], rung: int, direction: Direction) -> float:
    """Return the worst of the values at a rung with which Optuna trains a trial on.

    Whether it does depends on the order of the values alone: so this is the bound for any value.

    Args:
        values: Of the trials that came to the rung, one at least.
        rung: From 0.
        direction: Which way is better.
    """
    best_first = sorted(values, reverse=direction == "maximize")
    low, high = 0, len(best_first) - 1  # the best is always trained on
    while low < high:
        middle = (low + high + 1) // 2
        if _is_promoted(best_first[middle], values, rung, direction):
            low = middle
        else:
            high = middle - 1
    return best_first[low]


def _value_at(outcome: Outcome, metric: str, step: int) -> float | None:
    history = outcome.history
    if metric not in history.values or step not in history.steps:
        return None
    return history.values[metric][history.steps.index(step)]


def _is_promoted(value: float, others: Sequence[float], rung: int, direction: Direction) -> bool:
    """Ask Optuna's pruner whether a trial with this value goes on from a rung."""
    logging.getLogger("optuna.storages._in_memory").setLevel(logging.WARNING)
    pruner = optuna.pruners.SuccessiveHalvingPruner(
        min_resource=1, reduction_factor=REDUCTION_FACTOR, min_early_stopping_rate=0
    )
    opened = optuna.create_study(direction=direction, pruner=pruner)
    key = f"completed_rung_{rung}"
    opened.add_trials(
        optuna.trial.create_trial(state=OptunaState.COMPLETE, value=0.0, system_attrs={key: other})
        for other in others
    )
    before = {f"completed_rung_{lower}": value for lower in range(rung)}
    asked = optuna.trial.create_trial(
        state=OptunaState.RUNNING,
        intermediate_values={REDUCTION_FACTOR**rung: value},
        system_attrs=before,
    )
    opened.add_trial(asked)
    return not pruner.prune(opened, opened.get_trials(deepcopy=False)[-1])
