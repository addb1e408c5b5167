"""Cohorts and packs: every trial once, only what may share a batch together, in any order."""

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.cohorts import cut_packs, group_cohorts
from orchestrator.ledger import replicate_seed
from orchestrator.planners.protocol import Proposal
from search_spaces.point import Point
from search_spaces.study import Study
from tests.orchestrator.fabricated import make_tiny
from trainer.cohort import Cohort
from trainer.settings import ModelSettings

WIDE = make_tiny(
    "objective.temperature={low: 0.1, high: 1.0, log: true}",
    "model.norm=[none, layer]",
    "train.batch_size=[16, 32]",
    "train.weight_decay=[0.0, 0.01]",
)


def propose_everywhere(count: int, study: Study = WIDE) -> list[Proposal]:
    """Return trials over every slice of a study, all different."""
    slices = study.slices()
    return [
        Proposal(slices[i % len(slices)].replace("lr", 0.01 * (1 + i)), i % study.replicates)
        for i in range(count)
    ]


def trials_of(cohorts: list[Cohort]) -> list[str]:
    return [member.trial for cohort in cohorts for member in cohort.members]


@settings(max_examples=25, deadline=None)
@given(count=st.integers(0, 120), seed=st.integers(0, 2**16))
def test_cohorts_hold_every_trial_once_whatever_order_they_are_proposed_in(
    count: int, seed: int
) -> None:
    proposals = propose_everywhere(count)
    shuffled = random.Random(seed).sample(proposals, count)
    cohorts = group_cohorts(WIDE, proposals)
    assert group_cohorts(WIDE, shuffled) == cohorts
    assert sorted(trials_of(cohorts)) == sorted(p.key for p in proposals)
    assert len({cohort.cohort_id for cohort in cohorts}) == len(cohorts)


def test_members_get_their_own_settings_and_share_all_others() -> None:
    proposals = {p.key: p for p in propose_everywhere(60)}
    cohorts = group_cohorts(WIDE, list(proposals.values()))
    assert len(cohorts) == 2  # two batch sizes; a cohort holds both norms and decays
    for cohort in cohorts:
        for member in cohort.members:
            proposal = proposals[member.trial]
            wanted = WIDE.settings_at(proposal.point)
            assert (member.lr, member.objective) == (wanted.lr, wanted.objective)
            assert (member.norm, member.weight_decay) == (
                wanted.model.norm,
                wanted.train.weight_decay,
            )
            assert cohort.model == wanted.model.model_copy(update={"norm": "layer"})
            assert cohort.train.batch_size == wanted.train.batch_size
            assert member.seed == replicate_seed(WIDE, proposal.replicate)


def test_trials_that_differ_in_decay_warm_up_and_schedule_share_a_cohort() -> None:
    study = make_tiny(
        "train.weight_decay=[0.0, 0.1]",
        "train.warmup_steps=[0, 5]",
        "train.schedule=[constant, cosine]",
        "train.nesterov=[false, true]",
    )
    proposals = {p.key: p for p in propose_everywhere(len(study.slices()), study)}
    cohorts = group_cohorts(study, list(proposals.values()))
    assert [cohort.train.nesterov for cohort in cohorts] in ([False, True], [True, False])
    seen = set()
    for member in (member for cohort in cohorts for member in cohort.members):
        wanted = study.settings_at(proposals[member.trial].point).train
        own = member.weight_decay, member.warmup_steps, member.schedule
        assert own == (wanted.weight_decay, wanted.warmup_steps, wanted.schedule)
        seen.add(own)
    assert len(seen) == 8


def test_no_cohort_outgrows_what_one_failure_may_cost() -> None:
    study = make_tiny()
    proposals = propose_everywhere(600, make_tiny())
    cohorts = group_cohorts(study, proposals)
    assert [len(cohort.members) for cohort in cohorts] == [256, 256, 88]


@settings(max_examples=25, deadline=None)
@given(count=st.integers(1, 60), workers=st.integers(1, 5), most_members=st.integers(1, 20))
def test_packs_hold_a_cohorts_members_once_with_names_of_their_own(
    count: int, workers: int, most_members: int
) -> None:
    study = make_tiny()
    (cohort,) = group_cohorts(study, propose_everywhere(count, study))
    packs = cut_packs(cohort, workers, most_members)
    sizes = [len(pack.members) for pack in packs]
    assert sorted(trials_of(packs)) == sorted(trials_of([cohort]))
    assert max(sizes) <= most_members
    assert len(set(sizes[:-1])) <= 1
    assert sizes[-1] <= sizes[0]
    assert len({pack.cohort_id for pack in packs}) == len(packs)
    assert all(pack.train == cohort.train for pack in packs)


def test_a_last_lonely_member_does_not_keep_one_worker_waiting() -> None:
    study = make_tiny()
    (cohort,) = group_cohorts(study, propose_everywhere(65, study))
    assert [len(p.members) for p in cut_packs(cohort, 2, 16)] == [11, 11, 11, 11, 11, 10]


def test_packs_do_not_mix_replicates_or_objectives_where_the_size_allows() -> None:
    study = make_tiny()
    points = [
        Point.of({"lr": 0.1 * (1 + i), "objective.kind": kind})
        for kind in ("infonce", "supcon")
        for i in range(4)
    ]
    proposals = [Proposal(point, replicate) for point in points for replicate in range(2)]
    (cohort,) = group_cohorts(study, proposals)
    for pack in cut_packs(cohort, 2, 4):
        assert len({(member.seed, member.objective.kind) for member in pack.members}) == 1


def test_members_on_a_frozen_encoder_share_its_norm() -> None:
    frozen = make_tiny(
        "model.norm=[none, layer]", "model.frozen=true", "collapse.utility=train_loss"
    )
    cohorts = group_cohorts(frozen, propose_everywhere(20, frozen))
    assert {cohort.model.norm for cohort in cohorts} == {"layer", "none"}
    assert {member.norm for cohort in cohorts for member in cohort.members} == {None}


def test_packs_hold_no_more_norm_than_their_members_need() -> None:
    cohort = group_cohorts(WIDE, propose_everywhere(60))[0]
    packs = cut_packs(cohort, 2, 4)
    norms = [{member.norm for member in pack.members} for pack in packs]
    assert {"none"} in norms
    assert {"layer"} in norms
    for pack, own in zip(packs, norms, strict=True):
        assert pack.model.norm == ("layer" if "layer" in own else "none")


def test_who_is_audited_is_a_matter_of_the_trial_alone() -> None:
    study = make_tiny("collapse.audit=0.3")
    proposals = propose_everywhere(200, study)

    def audited(cohorts: list[Cohort]) -> set[str]:
        return {m.trial for cohort in cohorts for m in cohort.members if m.audited}

    together = audited(group_cohorts(study, proposals))
    alone = audited([c for p in proposals for c in group_cohorts(study, [p])])
    assert together == alone
    assert 40 <= len(together) <= 80  # 60 expected
    assert not audited(group_cohorts(make_tiny("collapse.audit=0.0"), proposals))


ALIGNED = make_tiny(
    "question=grid",
    "planner=grid",
    "objective.kind=[cl, nscl, ce]",
    "lr=[0.01, 0.1, 1.0]",
    "align.reference=cl",
    "train.batch_size=[16, 32]",
)


def align_everywhere(replicates: int) -> list[Proposal]:
    points = [
        point.replace("lr", lr) for point in ALIGNED.slices() for lr in (0.01, 0.1, 1.0, 0.3, 0.4)
    ]
    return [Proposal(point, r) for point in points for r in range(replicates)]


def test_a_couple_is_a_reference_and_its_equals() -> None:
    for cohort in group_cohorts(ALIGNED, align_everywhere(2)):
        couples: dict[str | None, list[str]] = {}
        for member in cohort.members:
            couples.setdefault(member.couple, []).append(member.trial)
        assert len(couples) == 10
        for couple, trials in couples.items():
            members = [m for m in cohort.members if m.trial in trials]
            assert {m.objective.kind for m in members} == {"cl", "nscl", "ce"}
            assert len({(m.lr, m.seed, m.replicate) for m in members}) == 1
            assert [m.trial for m in members if m.is_reference] == [couple]


@settings(max_examples=25, deadline=None)
@given(replicates=st.integers(1, 20), workers=st.integers(1, 5), most_members=st.integers(1, 20))
def test_couples_are_never_torn(replicates: int, workers: int, most_members: int) -> None:
    proposals = align_everywhere(replicates)
    cohorts = group_cohorts(ALIGNED, proposals)
    packs = [pack for cohort in cohorts for pack in cut_packs(cohort, workers, most_members)]
    assert sorted(trials_of(packs)) == sorted(p.key for p in proposals)
    assert max(len(cohort.members) for cohort in cohorts) <= 256
    for pack in packs:
        assert len(pack.members) <= max(most_members, 3)
        by_couple: dict[str | None, int] = {}
        for member in pack.members:
            by_couple[member.couple] = by_couple.get(member.couple, 0) + 1
        assert set(by_couple.values()) == {3}


def test_without_align_nobody_is_coupled() -> None:
    for cohort in group_cohorts(WIDE, propose_everywhere(20)):
        assert {(member.couple, member.is_reference) for member in cohort.members} == {
            (None, False)
        }


UNSHARED = make_tiny(
    "question=grid",
    "planner=grid",
    "objective.kind=[cl, nscl]",
    "lr=[0.01, 0.1]",
    "align.reference=cl",
    "align.unshared=true",
)


def test_unshared_couples_hold_all_replicates_and_name_the_next_ones_reference() -> None:
    points = [point.replace("lr", lr) for point in UNSHARED.slices() for lr in (0.01, 0.1)]
    replicates = range(UNSHARED.replicates)
    cohorts = group_cohorts(UNSHARED, [Proposal(p, r) for p in points for r in replicates])
    for pack in [pack for cohort in cohorts for pack in cut_packs(cohort, 2, 1)]:
        assert len({member.couple for member in pack.members}) == 1
        assert len(pack.members) == 2 * UNSHARED.replicates
        by_trial = {member.trial: member for member in pack.members}
        for member in pack.members:
            assert member.unshared is not None
            other = by_trial[member.unshared]
            assert other.is_reference
            assert other.objective.kind == "cl"
            assert other.replicate == (member.replicate + 1) % UNSHARED.replicates
            assert (other.lr, other.seed == member.seed) == (member.lr, False)


MODELS = make_tiny(
    "question=grid",
    "planner=grid",
    "lr=0.1",
    "model={encoder: conv, hidden: [8], norm: [batch, group], head_norm: [none, batch]}",
    "model.head_out_norm=[none, batch]",
)


def test_convolutions_of_different_norms_and_heads_are_cohorts_of_their_own() -> None:
    points = MODELS.slices()
    cohorts = group_cohorts(MODELS, [Proposal(point, r) for point in points for r in range(2)])
    models = [c.model for c in cohorts if isinstance(c.model, ModelSettings)]
    found = {(m.norm, m.head_norm, m.head_out_norm) for m in models}
    assert len(found) == len(cohorts) == 8
    assert {member.norm for cohort in cohorts for member in cohort.members} == {None}
