"""Dealing: every open trial in one pack of one hand, packs cut alike whatever is told already."""

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.dealing import Hand, deal
from orchestrator.lane_plan import LanePlan
from orchestrator.planners.protocol import Proposal
from tests.orchestrator.fabricated import make_tiny, propose

STUDY = make_tiny()
plans = st.builds(
    LanePlan,
    lanes=st.integers(1, 4),
    workers=st.integers(1, 4),
    pack_members=st.integers(1, 16),
)


def make_round(count: int, start: float = 0.01) -> list[Proposal]:
    rates = [start * 1.01**i for i in range(count)]
    return propose(*rates, kind="infonce") + propose(*rates, kind="supcon")


def trials_of(hands: list[Hand]) -> list[str]:
    return [m.trial for hand in hands for pack in hand for m in pack.members]


@settings(max_examples=40, deadline=None)
@given(plan=plans, sizes=st.lists(st.integers(1, 30), min_size=1, max_size=3), data=st.data())
def test_every_open_trial_is_dealt_once_in_packs_that_the_told_ones_do_not_change(
    plan: LanePlan, sizes: list[int], data: st.DataObject
) -> None:
    rounds = [make_round(size, 0.01 * (i + 1)) for i, size in enumerate(sizes)]
    keys = [proposal.key for round_ in rounds for proposal in round_]
    whole = {p.cohort_id: p for hand in deal(STUDY, rounds, set(keys), plan) for p in hand}
    told = data.draw(st.sets(st.sampled_from(sorted(whole))))
    still_open = {m.trial for name, p in whole.items() if name not in told for m in p.members}
    hands = deal(STUDY, rounds, still_open, plan)
    assert Counter(trials_of(hands)) == Counter(still_open)
    assert {p.cohort_id: p for hand in hands for p in hand} == {
        name: pack for name, pack in whole.items() if name not in told
    }
    assert all(len(pack.members) <= plan.pack_members for pack in whole.values())


def test_a_round_is_shared_out_among_the_lanes() -> None:
    plan = LanePlan(lanes=3, workers=2, pack_members=16)
    hands = deal(STUDY, [make_round(48)], {p.key for p in make_round(48)}, plan)
    assert [[len(pack.members) for pack in hand] for hand in hands] == [[16, 16]] * 3


def test_workers_that_share_the_data_train_one_pack_at_a_time() -> None:
    study, round_ = make_tiny("train.split=data"), make_round(20)
    plan = LanePlan(lanes=2, workers=4, pack_members=16)
    hands = deal(study, [round_], {p.key for p in round_}, plan)
    assert [[len(pack.members) for pack in hand] for hand in hands] == [[10, 10], [10, 10]]


def test_a_large_round_comes_in_hands_that_do_not_keep_other_lanes_waiting() -> None:
    round_ = make_round(500)
    plan = LanePlan(lanes=2, workers=1, pack_members=16)
    hands = deal(STUDY, [round_], {p.key for p in round_}, plan)
    assert max(len(hand) for hand in hands) == 16
    assert sum(len(hand) for hand in hands) >= 1000 / 16


def test_trials_that_are_told_are_left_out_of_a_pack_after_a_change_of_the_plan() -> None:
    round_ = make_round(4)
    _, *others = [p.key for p in round_]
    hands = deal(STUDY, [round_], set(others), LanePlan(lanes=1, workers=1, pack_members=16))
    assert sorted(trials_of(hands)) == sorted(others)


def test_a_couple_is_dealt_whole_as_long_as_one_of_it_is_open() -> None:
    study = make_tiny(
        "question=grid", "planner=grid", "objective.kind=[cl, nscl]", "align.reference=cl"
    )
    rates = (0.01, 0.1, 1.0)
    round_ = propose(*rates, kind="cl") + propose(*rates, kind="nscl")
    wanted = next(p.key for p in round_ if p.point["lr"] == 0.1)
    hands = deal(study, [round_], {wanted}, LanePlan(lanes=1, workers=1, pack_members=16))
    assert sorted(trials_of(hands)) == sorted(p.key for p in round_ if p.point["lr"] == 0.1)
