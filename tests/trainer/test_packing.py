"""A member's outcome has the same bits whatever else is in its pack.

The crowd below holds what a pack can hold: all kinds of the demo, temperatures on both sides of
the losses' switch at tiny ones, members that diverge at different steps, members that are decided
early and leave, and audited ones that stay.
"""

import random
from functools import cache
from typing import Literal, NamedTuple

import pytest
import torch

from tests.trainer.cohorts import make_cohort, make_member, train_by_trial
from trainer.cohort import Cohort, Member, Outcome
from trainer.collapse.regime import Regime
from trainer.settings import CollapseSettings, ModelSettings, TrainSettings

Norm = Literal["none", "layer", "batch"]
OVERFLOWING_LR = 1e20
"""Diverges in the second step."""
DECAYED_TO_INFINITY_LR = 1e8
"""With weight decay every weight is multiplied by about -1e7 a step: diverges within a few."""


class Setting(NamedTuple):
    """What the members of a pack share; sizes are chosen for the code path they take."""

    norm: Norm
    hidden: tuple[int, ...]
    embed_dim: int
    batch_size: int


SETTINGS = {
    "demo-sizes": Setting("none", (128, 128), 32, 256),
    "aligned-layer": Setting("layer", (48, 32), 16, 64),
    "aligned-batch": Setting("batch", (48, 32), 16, 64),
    # Widths that fill no vector register: there a product's last bit likes to depend on where
    # in memory the member's slice starts.
    "ragged-none": Setting("none", (33, 17), 11, 25),
    "ragged-layer": Setting("layer", (33, 17), 11, 25),
    "ragged-batch": Setting("batch", (33, 17), 11, 25),
}
every_setting = pytest.mark.parametrize("setting", SETTINGS.values(), ids=SETTINGS.keys())


def gather_crowd() -> list[Member]:
    """Return 16 members of three kinds and two replicates."""
    lrs = [0.05, 0.3, 1.0, OVERFLOWING_LR, 300.0, 3.0, DECAYED_TO_INFINITY_LR, 0.02]
    temperatures = [0.05, 0.2, 0.005, 0.1, 1.0, 0.01, 0.5]
    kinds = ["infonce", "supcon", "clop"]
    return [
        make_member(
            f"trial-{i:02}",
            lr=lrs[i % len(lrs)],
            seed=5 + i % 2,
            audited=i % 5 == 0,
            kind=kinds[i % len(kinds)],
            temperature=temperatures[i % len(temperatures)],
        )
        for i in range(16)
    ]


def pack(setting: Setting, members: list[Member]) -> Cohort:
    return make_cohort(
        members,
        model=ModelSettings(
            encoder="mlp", hidden=setting.hidden, embed_dim=setting.embed_dim, norm=setting.norm
        ),
        train=TrainSettings(batch_size=setting.batch_size, steps=9, weight_decay=0.05),
        collapse=CollapseSettings(every_steps=2, settle_checks=2, margin=0.1),
    )


@cache
def all_together(setting: Setting) -> dict[str, Outcome]:
    return train_by_trial(pack(setting, gather_crowd()))


def assert_same_outcomes(setting: Setting, members: list[Member]) -> None:
    together = all_together(setting)
    for trial, outcome in train_by_trial(pack(setting, members)).items():
        assert outcome == together[trial]


@every_setting
def test_alone(setting: Setting) -> None:
    for member in gather_crowd()[1::5]:  # one of each kind, one of them diverging
        assert_same_outcomes(setting, [member])


@pytest.mark.parametrize(("size", "shuffle_seed"), [(2, 0), (7, 1), (16, 2)])
@every_setting
def test_in_packs_of_any_size_and_order(setting: Setting, size: int, shuffle_seed: int) -> None:
    crowd = gather_crowd()
    random.Random(shuffle_seed).shuffle(crowd)
    for start in range(0, len(crowd) if size > 2 else 8, size):
        assert_same_outcomes(setting, crowd[start : start + size])


def test_the_crowd_holds_all_that_can_happen_in_a_pack() -> None:
    outcomes = [o for s in SETTINGS.values() for o in all_together(s).values()]
    assert {o.regime for o in outcomes} >= set(Regime) - {Regime.DIMENSIONAL}
    assert len({o.diverged_at_step for o in outcomes}) >= 3
    assert any(o.decided_early and o.regime is not Regime.DIVERGED for o in outcomes)
    assert any(o.early_regime is not None for o in outcomes)


def test_twice_the_same_cohort_is_twice_the_same() -> None:
    setting = SETTINGS["ragged-batch"]
    assert train_by_trial(pack(setting, gather_crowd())) == all_together(setting)


def test_float64_too() -> None:
    setting = SETTINGS["ragged-layer"]
    crowd = gather_crowd()[:6]
    together = train_by_trial(pack(setting, crowd), torch.float64)
    alone = train_by_trial(pack(setting, crowd[4:5]), torch.float64)
    assert alone[crowd[4].trial] == together[crowd[4].trial]


def test_members_of_other_norms_in_the_pack_change_nothing() -> None:
    # Each member meets the outcome of a pack in which all have its norm.
    crowd = gather_crowd()[:6]
    norms: list[Norm] = ["none", "layer", "batch"]
    mixed = [
        member.model_copy(update={"norm": norm, "trial": f"{member.trial}-{norm}"})
        for member in crowd
        for norm in norms
    ]
    together = train_by_trial(pack(SETTINGS["ragged-batch"], mixed))
    for norm in norms:
        alike = all_together(SETTINGS[f"ragged-{norm}"])
        for member in crowd:
            outcome = together[f"{member.trial}-{norm}"]
            assert outcome.model_copy(update={"trial": member.trial}) == alike[member.trial]


@pytest.mark.parametrize("kind", ["nt_xent", "ce", "siglip", "static_svr", "vicreg", "nscl"])
def test_other_kinds_are_as_blind_to_their_neighbours(kind: str) -> None:
    setting = SETTINGS["ragged-batch"]
    own = [make_member(f"{kind}-{seed}", lr=0.05, seed=seed, kind=kind) for seed in (1, 2)]
    crowd = train_by_trial(pack(setting, [*gather_crowd()[:5], *own]))
    for member in own:
        assert train_by_trial(pack(setting, [member]))[member.trial] == crowd[member.trial]
