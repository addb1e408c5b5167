"""The loop: when members are decided, audited and measured, and what their outcomes say."""

from collections.abc import Sequence

import pytest
import torch

from tests.trainer.cohorts import CPU, make_cohort, make_member, train_by_trial
from trainer.cohort import Cohort, Member, Outcome
from trainer.collapse.regime import Regime
from trainer.errors import BatchTooLargeError, PrototypeCountError
from trainer.loop import Progress, train_cohort
from trainer.settings import CollapseSettings, ModelSettings, TrainSettings

COLLAPSING = make_member("collapsing", lr=300.0, kind="supcon")
AUDITED = COLLAPSING.model_copy(update={"trial": "audited", "audited": True})
CALM = make_member("calm", lr=0.05, kind="infonce")
EARLY = CollapseSettings(every_steps=2, settle_checks=2, margin=0.9)
HASTY = EARLY.model_copy(update={"margin": 0.1})
MEASURES = {
    "effective_rank",
    "rankme",
    "stable_rank",
    "participation_ratio",
    "total_variance",
    "uniformity",
    "alignment",
    "train_loss",
}


def cohort(
    members: Sequence[Member], steps: int = 20, collapse: CollapseSettings = EARLY
) -> Cohort:
    return make_cohort(members, train=TrainSettings(batch_size=64, steps=steps), collapse=collapse)


def assert_history_fits(outcome: Outcome) -> None:
    assert outcome.history.steps[0] == 0
    assert outcome.history.steps[-1] == outcome.steps_done
    assert set(outcome.history.values) == MEASURES
    for name, values in outcome.history.values.items():
        assert len(values) == len(outcome.history.steps)
        assert values[0] == outcome.initial[name]
        assert values[-1] == outcome.measures[name]


def test_a_collapsed_member_leaves_after_enough_checks_and_the_others_go_on() -> None:
    outcomes = train_by_trial(cohort([COLLAPSING, CALM]))
    early, calm = outcomes["collapsing"], outcomes["calm"]
    assert early.decided_early
    assert early.regime is Regime.COMPLETE
    assert early.is_collapsed
    assert early.steps_done == 4
    assert early.history.steps == (0, 2, 4)
    assert all(rank < 1.1 for rank in early.history.values["effective_rank"][-2:])
    assert not calm.decided_early
    assert calm.steps_done == 20
    assert calm.regime is not Regime.COMPLETE
    for outcome in outcomes.values():
        assert outcome.early_regime is None
        assert_history_fits(outcome)


def test_an_audited_member_runs_to_the_end_and_keeps_the_early_verdict() -> None:
    outcomes = train_by_trial(cohort([COLLAPSING, AUDITED]))
    audited, early = outcomes["audited"], outcomes["collapsing"]
    assert audited.early_regime is early.regime is Regime.COMPLETE
    assert not audited.decided_early
    assert audited.steps_done == 20
    assert audited.history.steps == (0, *range(2, 21, 2))
    assert audited.history.values["effective_rank"][:3] == early.history.values["effective_rank"]


def test_a_verdict_of_the_last_check_is_no_early_verdict() -> None:
    # Settled at step 4 for the first time, which is the last one: nothing was spared.
    outcomes = train_by_trial(cohort([COLLAPSING, AUDITED], steps=4))
    for outcome in outcomes.values():
        assert outcome.regime is Regime.COMPLETE
        assert outcome.early_regime is None
        assert not outcome.decided_early


def test_an_audited_member_that_never_settles_has_no_early_verdict() -> None:
    calm = CALM.model_copy(update={"audited": True})
    assert train_by_trial(cohort([calm]))["calm"].early_regime is None


def test_the_audit_finds_an_early_verdict_that_was_wrong() -> None:
    # The rank of this member dips below 1.9 in its first steps and comes back.
    calm = CALM.model_copy(update={"audited": True})
    outcome = train_by_trial(cohort([calm], steps=80, collapse=HASTY))["calm"]
    assert outcome.early_regime is Regime.COMPLETE
    assert outcome.regime is Regime.HEALTHY


def test_the_first_early_verdict_counts_not_a_later_one() -> None:
    # Below 2 at the first check, between 2 and 6 at the later ones.
    calm = CALM.model_copy(update={"audited": True})
    collapse = CollapseSettings(every_steps=1, settle_checks=1, below=6.0, margin=0.0)
    outcome = train_by_trial(cohort([calm], steps=10, collapse=collapse))["calm"]
    assert outcome.early_regime is Regime.COMPLETE
    assert outcome.regime is Regime.DIMENSIONAL


def test_without_settle_checks_everybody_runs_to_the_end() -> None:
    collapse = CollapseSettings(every_steps=2, settle_checks=0)
    for outcome in train_by_trial(cohort([COLLAPSING, AUDITED], collapse=collapse)).values():
        assert outcome.regime is Regime.COMPLETE
        assert outcome.steps_done == 20
        assert not outcome.decided_early
        assert outcome.early_regime is None


def test_the_margin_tells_a_dip_from_a_collapse() -> None:
    impossible = EARLY.model_copy(update={"margin": 1.0})
    for collapse, decided in [(HASTY, True), (EARLY, False), (impossible, False)]:
        assert train_by_trial(cohort([CALM], collapse=collapse))["calm"].decided_early == decided
    outcome = train_by_trial(cohort([COLLAPSING], collapse=impossible))["collapsing"]
    assert outcome.regime is Regime.COMPLETE
    assert not outcome.decided_early, "an effective rank is never below 1"


def test_the_last_step_is_checked_though_it_is_no_multiple() -> None:
    collapse = CollapseSettings(every_steps=4, settle_checks=0)
    outcome = train_by_trial(cohort([CALM], steps=11, collapse=collapse))["calm"]
    assert outcome.history.steps == (0, 4, 8, 11)
    assert_history_fits(outcome)


def test_checks_rarer_than_steps_happen_once() -> None:
    collapse = CollapseSettings(every_steps=50, settle_checks=1)
    outcome = train_by_trial(cohort([COLLAPSING], steps=3, collapse=collapse))["collapsing"]
    assert outcome.history.steps == (0, 3)


def test_measuring_more_often_changes_nothing() -> None:
    often, rarely = (
        train_by_trial(cohort([CALM], collapse=CollapseSettings(every_steps=n, settle_checks=0)))
        for n in (1, 10)
    )
    assert often["calm"].measures == rarely["calm"].measures
    for name, values in rarely["calm"].history.values.items():
        assert values == often["calm"].history.values[name][::10]


def test_a_member_that_hardly_moved_is_undertrained_by_its_utility() -> None:
    still = make_member("still", lr=1e-9, kind="infonce")
    outcome = train_by_trial(cohort([still]))["still"]
    assert outcome.measures["knn_accuracy"] == outcome.initial["knn_accuracy"]
    assert outcome.regime is Regime.UNDERTRAINED


def test_the_study_may_call_progress_in_the_loss_utility() -> None:
    collapse = CollapseSettings(every_steps=10, settle_checks=0, utility="train_loss")
    outcome = train_by_trial(cohort([CALM], steps=40, collapse=collapse))["calm"]
    assert outcome.measures["train_loss"] < outcome.initial["train_loss"]
    assert outcome.regime is Regime.HEALTHY


@pytest.mark.parametrize(
    "metric", ["effective_rank", "rankme", "stable_rank", "participation_ratio"]
)
def test_the_score_is_the_metric_of_the_study(metric: str) -> None:
    collapse = CollapseSettings.model_validate({"metric": metric, "settle_checks": 0})
    outcome = train_by_trial(cohort([CALM], steps=3, collapse=collapse))["calm"]
    assert outcome.score == outcome.measures[metric]


def test_the_spectrum_is_a_distribution_in_descending_order() -> None:
    spectrum = train_by_trial(cohort([CALM], steps=3))["calm"].spectrum
    assert len(spectrum) == 16
    assert sum(spectrum) == pytest.approx(1.0)
    assert list(spectrum) == sorted(spectrum, reverse=True)
    assert min(spectrum) >= 0


def test_progress_counts_members_and_steps() -> None:
    seen: list[Progress] = []
    train_cohort(cohort([COLLAPSING, CALM], steps=6), device=CPU, on_step=seen.append)
    # The collapsing member leaves at step 4, the calm one goes on alone; step 6 is the last.
    together = [Progress(step, 2, 2 * step) for step in range(4)]
    assert seen == [*together, Progress(4, 1, 8), Progress(5, 1, 9), Progress(6, 0, 10)]


def test_time_is_shared_out_by_steps() -> None:
    outcomes = {o.trial: o for o in train_cohort(cohort([COLLAPSING, CALM]), device=CPU)}
    assert outcomes["calm"].seconds == pytest.approx(5 * outcomes["collapsing"].seconds)


def test_outcomes_come_by_trial_key() -> None:
    kinds = {"c": "ce", "a": "cl", "b": "dcl"}
    members = [make_member(trial, lr=0.1, kind=kind) for trial, kind in kinds.items()]
    outcomes = train_cohort(cohort(members, steps=2), device=CPU)
    assert [o.trial for o in outcomes] == ["a", "b", "c"]


def test_replicates_are_measured_on_one_evaluation_set_from_weights_of_their_own() -> None:
    members = [make_member(f"{seed}", lr=1e-12, seed=seed, kind="infonce") for seed in (1, 2)]
    twin = make_member("twin", lr=1e-12, seed=1, kind="supcon")
    one, two, other = train_by_trial(cohort([*members, twin], steps=2)).values()
    rank = "effective_rank"
    assert one.initial[rank] != two.initial[rank]
    assert one.initial[rank] == other.initial[rank]
    assert one.initial["alignment"] == other.initial["alignment"]


def test_too_large_a_batch_is_refused_with_what_there_is() -> None:
    huge = make_cohort([CALM], train=TrainSettings(batch_size=1258))
    with pytest.raises(BatchTooLargeError, match=r"1258, but .* only 1257 .* at most 1257"):
        train_cohort(huge, device=CPU)
    full = make_cohort([CALM], train=TrainSettings(batch_size=1257, steps=1))
    assert train_by_trial(full)["calm"].steps_done == 1


def test_more_classes_than_dimensions_are_refused_before_training() -> None:
    narrow = ModelSettings(encoder="mlp", hidden=(8,), embed_dim=4)
    clop = make_cohort([make_member("a", lr=0.1, kind="clop")], model=narrow)
    with pytest.raises(PrototypeCountError, match=r"10 orthonormal .* at least 10, but it is 4"):
        train_cohort(clop, device=CPU)


def test_two_members_with_one_key_are_our_own_mistake() -> None:
    with pytest.raises(AssertionError, match="calm is twice in one cohort"):
        train_cohort(make_cohort([CALM, CALM]), device=CPU)


def test_the_global_generator_is_neither_read_nor_moved() -> None:
    torch.manual_seed(0)
    state = torch.get_rng_state()
    first = train_by_trial(cohort([CALM], steps=3))
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(77)
    assert train_by_trial(cohort([CALM], steps=3)) == first
