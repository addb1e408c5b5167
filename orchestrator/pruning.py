"""Successive halving, as ASHA or in the brackets of Hyperband: what trials must reach to go on.

The rule is Optuna's ``SuccessiveHalvingPruner`` over checks in the place of steps: of the trials of
a bracket (:mod:`orchestrator.brackets`) that came to a rung the best quarter, or third, is trained
on. A trial is compared with those of earlier rounds alone. Rounds are a barrier, so what ends a
trial depends on neither packs nor lanes nor on who was faster, and a study that is resumed ends the
same trials. Those of the first round are never ended.
"""

import itertools
import logging
from collections.abc import Iterable, Sequence
from typing import Literal

import optuna
from optuna.trial import TrialState as OptunaState

from orchestrator.brackets import ASHA, Bracket, bracket_of
from orchestrator.record import TrialRecord
from search_spaces.study import Study
from trainer.cohort import Cohort, Member, Outcome, Pruning

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
    place_of = {r.key: (r.round_number, bracket_of(study, r)) for r in records}
    known: dict[tuple[int, Bracket], Pruning] = {}

    def tell(member: Member) -> Member:
        place = number, bracket = place_of[member.trial]
        if place not in known:
            outcomes = [
                record.outcome
                for record in records
                if record.outcome is not None
                and record.round_number < number
                and place_of[record.key][1] == bracket
            ]
            known[place] = find_pruning(study, outcomes, bracket)
        return member.model_copy(update={"pruning": known[place]})

    return [
        tuple(
            cohort.model_copy(update={"members": tuple(map(tell, cohort.members))})
            for cohort in hand
        )
        for hand in hands
    ]


def find_pruning(study: Study, outcomes: Sequence[Outcome], bracket: Bracket = ASHA) -> Pruning:
    """Return what trials must reach at each rung of their bracket that one of it came to."""
    assert study.optimise is not None, "a pruner is for question: optimise"
    metric, direction = study.optimise.metric, study.optimise.direction
    steps: list[int] = []
    bounds: list[float] = []
    for rung in itertools.count():
        step = study.collapse.every_steps * bracket.check_at(rung)
        values = [v for o in outcomes if (v := _value_at(o, metric, step)) is not None]
        if not values:
            break
        steps.append(step)
        bounds.append(find_bound(values, rung, direction, bracket))
    return Pruning(metric=metric, direction=direction, steps=tuple(steps), bounds=tuple(bounds))


def find_bound(
    values: Sequence[float], rung: int, direction: Direction, bracket: Bracket = ASHA
) -> float:
    """Return the worst of the values at a rung with which Optuna trains a trial on.

    Whether it does depends on the order of the values alone: so this is the bound for any value.

    Args:
        values: Of the trials that came to the rung, one at least.
        rung: From 0.
        direction: Which way is better.
        bracket: Whose rung it is.
    """
    best_first = sorted(values, reverse=direction == "maximize")
    low, high = 0, len(best_first) - 1  # the best is always trained on
    while low < high:
        middle = (low + high + 1) // 2
        if _is_promoted(best_first[middle], values, rung, direction, bracket):
            low = middle
        else:
            high = middle - 1
    return best_first[low]


def _value_at(outcome: Outcome, metric: str, step: int) -> float | None:
    history = outcome.history
    if metric not in history.values or step not in history.steps:
        return None
    return history.values[metric][history.steps.index(step)]


def _is_promoted(
    value: float, others: Sequence[float], rung: int, direction: Direction, bracket: Bracket
) -> bool:
    """Ask Optuna's pruner whether a trial with this value goes on from a rung."""
    logging.getLogger("optuna.storages._in_memory").setLevel(logging.WARNING)
    pruner = optuna.pruners.SuccessiveHalvingPruner(
        min_resource=1, reduction_factor=bracket.factor, min_early_stopping_rate=bracket.first
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
        intermediate_values={bracket.check_at(rung): value},
        system_attrs=before,
    )
    opened.add_trial(asked)
    return not pruner.prune(opened, opened.get_trials(deepcopy=False)[-1])
