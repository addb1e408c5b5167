"""Pruners: bounds agree with Optuna's, and depend on earlier rounds of the bracket alone."""

import random
from collections.abc import Sequence
from pathlib import Path

import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.brackets import bracket_of
from orchestrator.cohorts import group_cohorts
from orchestrator.conductor import Conductor
from orchestrator.ledger import Ledger
from orchestrator.planners.optuna_sampler import TpePlanner
from orchestrator.pruning import Direction, find_bound, find_pruning, with_pruning
from orchestrator.record import to_finding
from orchestrator.rerun import rerun_trial
from search_spaces.errors import StudyContentError
from search_spaces.load import parse_study
from search_spaces.study import PrunerKind, Study
from tests.orchestrator.fabricated import lr_of
from tests.trainer.cohorts import CPU
from trainer.cohort import Cohort, History, Outcome, Pruning
from trainer.collapse.regime import Regime
from trainer.loop import train_cohort
from trainer.outbox import Outbox

TEXT = """\
study: pruned
question: optimise
optimise: {metric: train_loss, direction: minimize}
pruner: asha
data: {source: digits, limit: 200}
model: {encoder: mlp, hidden: [8], embed_dim: 4}
train: {batch_size: 32, steps: 20}
objective: {kind: infonce, temperature: {low: 0.1, high: 1.0}}
lr: {low: 1.0e-3, high: 1, log: true}
seeds: 1
collapse: {every_steps: 2, settle_checks: 0}
budget: {trials: 40}
"""


def make_study(old: str = "study", new: str = "study") -> Study:
    assert old in TEXT
    return parse_study(TEXT.replace(old, new), "pruned.yaml")


def is_promoted_by_optuna(value: float, others: Sequence[float], direction: Direction) -> bool:
    """Run Optuna as its users do: every trial reports one value, and asks."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    pruner = optuna.pruners.SuccessiveHalvingPruner(min_resource=1)
    study = optuna.create_study(direction=direction, pruner=pruner)
    for other in others:
        trial = study.ask()
        trial.report(other, step=1)
        trial.should_prune()
        study.tell(trial, other)
    trial = study.ask()
    trial.report(value, step=1)
    return not trial.should_prune()


VALUES = st.lists(st.integers(-6, 6).map(float), min_size=1, max_size=14)


@settings(max_examples=40, deadline=None)
@given(others=VALUES, value=st.integers(-14, 14), is_more_better=st.booleans())
def test_a_bound_trains_on_whom_optuna_trains_on(
    others: list[float], value: int, is_more_better: bool
) -> None:
    direction: Direction = "maximize" if is_more_better else "minimize"
    bound = find_bound(others, 0, direction)
    pruning = Pruning(metric="m", direction=direction, steps=(1,), bounds=(bound,))
    half = value / 2  # between the others' values too
    assert pruning.ends(1, half) is not is_promoted_by_optuna(half, others, direction)


@settings(max_examples=40, deadline=None)
@given(others=VALUES, value=st.integers(-14, 14), rung=st.integers(0, 3))
def test_at_every_rung_the_best_quarter_goes_on(others: list[float], value: int, rung: int) -> None:
    better = sum(other > value / 2 for other in others)
    goes_on = better < max((len(others) + 1) // 4, 1)
    assert (value / 2 >= find_bound(others, rung, "maximize")) is goes_on


def outcome_of(key: str, losses: Sequence[float], every: int = 2) -> Outcome:
    steps = tuple(every * i for i in range(len(losses)))
    return Outcome(
        trial=key,
        regime=Regime.HEALTHY,
        score=3.0,
        measures={"train_loss": losses[-1], "effective_rank": 3.0},
        initial={"train_loss": losses[0]},
        spectrum=(1.0,),
        history=History(steps=steps, values={"train_loss": tuple(losses)}),
        steps_done=steps[-1],
        decided_early=False,
    )


def test_rungs_are_the_checks_1_4_16_that_somebody_came_to() -> None:
    study = make_study()
    outcomes = [outcome_of(str(i), [9.0, i, i, i, 10 * i, i]) for i in range(8)]
    short = [outcome_of("short", [9.0, -1.0])]
    found = find_pruning(study, [*outcomes, *short])
    assert found.steps == (2, 8)
    assert found.bounds == (0.0, 10.0)  # of 9 and 8 others with the new one: the best two
    assert find_pruning(study, []).steps == ()


def fabricate(key: str) -> Outcome:
    """Return losses that fall from check to check, by the trial's name alone."""
    draw = random.Random(key)
    worst = 1 + lr_of(key)
    return outcome_of(key, [worst + draw.random() - 0.1 * i for i in range(11)])


def run_study(folder: Path, seed: int, study: Study) -> tuple[Ledger, dict[str, Pruning | None]]:
    """Run a study whose outcomes arrive in any order, two processes one after the other."""
    told: dict[str, Pruning | None] = {}
    draw = random.Random(seed)
    ledger = Ledger.open(folder / "ledger.journal", study)
    conductor = Conductor(ledger, Outbox(folder / "outbox"))
    while not conductor.is_finished:
        if len(ledger.rounds) == 2 and draw.random() < 0.5:
            ledger = Ledger.open(folder / "ledger.journal", study)
            conductor = Conductor(ledger, Outbox(folder / "outbox"))
        packs = [pack for hand in iter(conductor.next_hand, None) for pack in hand]
        members = [member for pack in packs for member in pack.members]
        draw.shuffle(members)
        for member in members:
            told[member.trial] = member.pruning
            conductor.take([fabricate(member.trial)])
    return ledger, told


RUNGS: dict[str, set[tuple[int, ...]]] = {
    "asha": {(2, 8)},
    "hyperband": {(2, 6, 18), (6, 18), (18,)},
}


@pytest.mark.parametrize("pruner", RUNGS)
def test_what_a_trial_must_reach_comes_from_earlier_rounds_whatever_the_order(
    tmp_path: Path, pruner: str
) -> None:
    study = make_study("pruner: asha", f"pruner: {pruner}")
    (tmp_path / "first").mkdir()
    ledger, told = run_study(tmp_path / "first", 0, study)
    assert len(ledger.rounds) >= 3
    bracket = {record.key: bracket_of(study, record) for record in ledger.records()}
    for number, round_ in enumerate(ledger.rounds):
        earlier = [p.key for past in ledger.rounds[:number] for p in past]
        for proposal in round_:
            own = bracket[proposal.key]
            peers = [fabricate(key) for key in earlier if bracket[key] == own]
            assert told[proposal.key] == find_pruning(study, peers, own)
    last = {told[proposal.key] for proposal in ledger.rounds[-1]}
    assert {pruning.steps for pruning in last if pruning is not None} == RUNGS[pruner]
    for seed in (1, 2):
        (tmp_path / str(seed)).mkdir()
        again, told_again = run_study(tmp_path / str(seed), seed, study)
        assert again.rounds == ledger.rounds
        assert told_again == told


def train(cohorts: Sequence[Cohort]) -> list[Outcome]:
    return [outcome for cohort in cohorts for outcome in train_cohort(cohort, device=CPU)]


@pytest.mark.parametrize("pruner", RUNGS)
def test_a_study_saves_steps_and_its_pruned_trials_can_be_repeated(
    tmp_path: Path, pruner: str
) -> None:
    study = make_study("pruner: asha", f"pruner: {pruner}")
    ledger = Ledger.open(tmp_path / "ledger.journal", study)
    conductor = Conductor(ledger, Outbox(tmp_path / "outbox"))
    while not conductor.is_finished:
        packs = [pack for hand in iter(conductor.next_hand, None) for pack in hand]
        conductor.take(train(packs))
    outcomes = [r.outcome for r in ledger.records() if r.outcome is not None]
    pruned = [o for o in outcomes if o.pruned_at_step is not None]
    assert len(outcomes) == 40
    assert len(pruned) > 8
    assert {o.pruned_at_step for o in pruned} <= {step for rungs in RUNGS[pruner] for step in rungs}
    assert all(o.steps_done == o.pruned_at_step for o in pruned)
    best = min(outcomes, key=lambda o: o.measures.get("train_loss", 1e9))
    assert best.steps_done == 20
    for trial in (pruned[0].trial, pruned[-1].trial, best.trial):
        assert rerun_trial(ledger, trial, CPU).differences == []


def test_the_sampler_is_told_how_far_a_pruned_trial_came() -> None:
    study = make_study()
    planner = TpePlanner(study)
    asked = planner.ask()
    for number, proposal in enumerate(asked):
        outcome = fabricate(proposal.key)
        update = {"pruned_at_step": 2 if number % 2 else None}
        planner.tell(proposal, to_finding(study, outcome.model_copy(update=update)))
    known = planner._open([p.point for p in asked]).get_trials()
    states = [trial.state for trial in known]
    assert states.count(optuna.trial.TrialState.PRUNED) == len(asked) // 2
    for trial in known:
        is_pruned = trial.state is optuna.trial.TrialState.PRUNED
        assert bool(trial.intermediate_values) is is_pruned
    assert len(planner.ask()) == 16


def test_without_a_pruner_cohorts_are_as_they_were() -> None:
    study = make_study("pruner: asha\n", "")
    assert study.pruner is None
    planner = TpePlanner(study)
    cohorts = group_cohorts(study, planner.ask())
    assert with_pruning([cohorts], study, []) == [tuple(cohorts)]


def test_a_pruner_makes_another_study() -> None:
    unpruned = make_study("pruner: asha\n", "")
    hyperband = make_study("pruner: asha", "pruner: hyperband")
    assert make_study().pruner is PrunerKind.ASHA
    assert hyperband.pruner is PrunerKind.HYPERBAND
    assert len({study.digest for study in (make_study(), hyperband, unpruned)}) == 3


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("pruner: asha", "pruner: ash", "pruned.yaml:4: pruner: expected one of asha, hyperband"),
        ("seeds: 1", "seeds: 2", "pruned.yaml:4: pruner: expected seeds: 1, got 2"),
        (
            "metric: train_loss, direction: minimize",
            "metric: knn_accuracy, direction: maximize",
            "pruned.yaml:4: pruner: compares trials at their checks, where knn_accuracy is not",
        ),
        (
            "pruner: asha",
            "pruner: asha\nplanner: qmc",
            "planner: qmc asks for all at once; choose tpe, or leave it out",
        ),
        (
            "question: optimise\noptimise: {metric: train_loss, direction: minimize}",
            "question: grid",
            "pruner: only question: optimise uses it, and this is question: grid",
        ),
    ],
)
def test_a_pruner_that_cannot_work_is_refused(old: str, new: str, complaint: str) -> None:
    with pytest.raises(StudyContentError) as caught:
        make_study(old, new)
    assert complaint in str(caught.value)
