"""Measures that claims derive from the history of one outcome."""

from orchestrator.claims.derived import DERIVED
from trainer.cohort import History, Outcome
from trainer.collapse.regime import Regime


def make_outcome(regime: Regime, steps: tuple[int, ...], recalls: tuple[float, ...]) -> Outcome:
    values = {"val_recall_at_1": recalls} if recalls else {}
    return Outcome(
        trial="a",
        regime=regime,
        score=0.0,
        measures={},
        initial={},
        spectrum=(),
        history=History(steps=steps, values=values),
        steps_done=steps[-1] if steps else 1,
        decided_early=False,
    )


def test_early_recall_is_the_mean_over_the_first_quarter_without_the_start() -> None:
    outcome = make_outcome(Regime.HEALTHY, (0, 10, 20, 40, 80), (0.1, 0.2, 0.4, 0.8, 0.9))
    assert abs((DERIVED["early_recall"](outcome) or 0.0) - 0.3) < 1e-12


def test_who_diverged_retrieved_nothing_early_however_far_it_came() -> None:
    for steps, recalls in (((), ()), ((0,), (0.1,)), ((0, 10, 40), (0.1, 0.2, 0.3))):
        assert DERIVED["early_recall"](make_outcome(Regime.DIVERGED, steps, recalls)) == 0.0


def test_without_val_clips_there_is_no_early_recall() -> None:
    assert DERIVED["early_recall"](make_outcome(Regime.HEALTHY, (0, 10), ())) is None
