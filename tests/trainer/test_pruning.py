"""Members that fall short at a rung: who leaves, when, and that nobody else notices."""

import pytest

from tests.trainer.cohorts import make_cohort, make_member, train_by_trial
from trainer.cohort import Cohort, Member, Outcome, Pruning
from trainer.settings import CollapseSettings, TrainSettings

TRAIN = TrainSettings(batch_size=64, steps=20)
RATES = {"slow": 1e-4, "fair": 0.1, "good": 0.5}


def member(name: str, pruning: Pruning | None = None, *, audited: bool = False) -> Member:
    own = make_member(name, lr=RATES[name], kind="infonce", temperature=0.5, audited=audited)
    return own.model_copy(update={"pruning": pruning})


def crowd(pruning: Pruning | None) -> Cohort:
    return make_cohort([member(name, pruning) for name in RATES], train=TRAIN)


def least_loss(*bounds: tuple[int, float]) -> Pruning:
    steps, values = zip(*bounds, strict=True)
    return Pruning(metric="train_loss", direction="minimize", steps=steps, bounds=values)


@pytest.fixture(scope="module")
def whole() -> dict[str, Outcome]:
    """What becomes of them without a pruner; checks are after 5, 10, 15 and 20 steps."""
    return train_by_trial(crowd(None))


def loss_at(outcome: Outcome, step: int) -> float:
    return outcome.history.values["train_loss"][outcome.history.steps.index(step)]


def test_who_falls_short_leaves_at_the_rung_with_its_measures_of_then(
    whole: dict[str, Outcome],
) -> None:
    bound = (loss_at(whole["slow"], 10) + loss_at(whole["fair"], 10)) / 2
    pruned = train_by_trial(crowd(least_loss((5, 1e9), (10, bound))))
    assert pruned["slow"].pruned_at_step == pruned["slow"].steps_done == 10
    assert pruned["slow"].measures["train_loss"] == loss_at(whole["slow"], 10)
    assert pruned["slow"].history.steps == (0, 5, 10)
    for name in ("fair", "good"):
        assert pruned[name] == whole[name]
        assert pruned[name].pruned_at_step is None


def test_a_member_leaves_with_the_same_bits_alone_and_among_others(
    whole: dict[str, Outcome],
) -> None:
    best = min(whole, key=lambda name: loss_at(whole[name], 5))
    pruning = least_loss((5, loss_at(whole[best], 5)))
    together = train_by_trial(crowd(pruning))
    for name in RATES:
        alone = make_cohort([member(name, pruning)], train=TRAIN)
        assert train_by_trial(alone) == {name: together[name]}
    # The bound itself is good enough.
    assert [o.pruned_at_step for o in together.values()].count(5) == 2
    assert together[best].pruned_at_step is None


def test_more_is_better_where_the_study_says_so(whole: dict[str, Outcome]) -> None:
    ranks = {n: o.history.values["effective_rank"][1] for n, o in whole.items()}
    best = max(ranks, key=lambda name: ranks[name])
    pruning = Pruning(
        metric="effective_rank", direction="maximize", steps=(5,), bounds=(ranks[best],)
    )
    pruned = train_by_trial(crowd(pruning))
    assert [name for name, o in pruned.items() if o.pruned_at_step is None] == [best]


def test_the_last_step_a_step_between_and_another_measure_prune_nobody(
    whole: dict[str, Outcome],
) -> None:
    for pruning in (
        least_loss((20, -1e9)),
        least_loss((7, -1e9)),
        Pruning(metric="val_recall_at_1", direction="maximize", steps=(5,), bounds=(1.0,)),
        Pruning(metric="train_loss", direction="minimize", steps=(), bounds=()),
    ):
        assert train_by_trial(crowd(pruning)) == whole


def test_an_audited_member_is_pruned_too_though_never_decided_by_its_rank() -> None:
    audited = member("fair", least_loss((5, -1e9)), audited=True)
    cohort = make_cohort(
        [audited], train=TRAIN, collapse=CollapseSettings(every_steps=5, settle_checks=1)
    )
    assert train_by_trial(cohort)["fair"].pruned_at_step == 5
