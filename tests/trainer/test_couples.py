"""Coupled members: compared with their reference at every check, kept together to the end.

Shape legend: M = members, N = images, D = dimension.
"""

import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from tests.trainer.cohorts import CPU, DIGITS, NEVER_EARLY, make_cohort, make_member, train_by_trial
from trainer.checks import ImageEvaluation
from trainer.cohort import Member
from trainer.couples import (
    find_references,
    group_couples,
    measure_coupling,
    measure_loss_gap,
)
from trainer.data import training_data
from trainer.data.images import load_images
from trainer.logbook import Logbook
from trainer.settings import CollapseSettings, ModelSettings, TrainSettings
from trainer.stack import Stack

NAMES = {"cka_features", "cka_projections", "rsa_features", "rsa_projections", "weight_gap"}
DATA = load_images(DIGITS)
TRAIN = TrainSettings(batch_size=64, steps=15)
OVERFLOWING_LR = 1e20


def coupled(kind: str, *, lr: float = 0.1, seed: int = 1, couple: str = "a") -> Member:
    member = make_member(f"{kind}-{couple}", lr=lr, seed=seed, kind=kind)
    return member.model_copy(update={"couple": couple, "is_reference": kind == "cl"})


def naive_cka(x_ND: Tensor, y_ND: Tensor) -> float:
    """Return Kornblith's linear CKA by way of the centred Gram matrices."""
    n = len(x_ND)
    centring = torch.eye(n, dtype=torch.float64) - 1 / n
    grams = [centring @ (z.double() @ z.double().T) @ centring for z in (x_ND, y_ND)]
    return float((grams[0] * grams[1]).sum() / (grams[0].norm() * grams[1].norm()))


@pytest.mark.parametrize("norm", ["none", "layer", "batch"])
def test_cl_and_nscl_stay_one_network_while_all_labels_differ(
    norm: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    distinct = replace(
        DATA,
        train_labels_N=torch.arange(len(DATA.train_labels_N)),
        class_count=len(DATA.train_labels_N),
    )
    monkeypatch.setattr(training_data, "load_images", lambda _: distinct)
    model = ModelSettings.model_validate(
        {"encoder": "mlp", "hidden": [20, 12], "embed_dim": 11, "norm": norm}
    )
    cohort = make_cohort([coupled("cl"), coupled("nscl")], model=model, train=TRAIN)
    outcomes = train_by_trial(cohort)
    reference, member = outcomes["cl-a"], outcomes["nscl-a"]
    assert member.history == reference.history, "bit for bit"
    assert member.coupling is not None
    assert member.coupling.steps == (0, 5, 10, 15)
    assert set(member.coupling.values["weight_gap"]) == {0.0}
    for name in NAMES - {"weight_gap"}:
        assert member.coupling.values[name] == pytest.approx((1.0,) * 4, abs=1e-9)
    assert reference.coupling is None


def test_labels_drive_members_apart_and_what_is_measured_is_kept_everywhere() -> None:
    kinds = ["cl", "nscl", "supcon", "ce"]
    outcomes = train_by_trial(make_cohort([coupled(kind) for kind in kinds], train=TRAIN))
    assert not NAMES & outcomes["cl-a"].measures.keys()
    for kind in kinds[1:]:
        outcome = outcomes[f"{kind}-a"]
        assert outcome.coupling is not None
        gap = {"loss_gap", "loss_gap_slack"} if kind == "nscl" else set()
        assert outcome.coupling.values.keys() == NAMES | gap
        assert {len(column) for column in outcome.coupling.values.values()} == {4}
        for name in NAMES:
            assert outcome.measures[name] == outcome.coupling.values[name][-1]
            assert outcome.initial[name] == outcome.coupling.values[name][0]
            start = 0.0 if name == "weight_gap" else 1.0
            assert outcome.initial[name] == pytest.approx(start, abs=1e-9)
        assert outcome.measures["cka_projections"] < 0.999
        assert outcome.measures["weight_gap"] > 0.01
        assert not NAMES & outcome.history.values.keys()
    # The paper's order: NSCL is the nearest to CL.
    gaps = [outcomes[f"{kind}-a"].measures["weight_gap"] for kind in kinds[1:]]
    assert gaps[0] == min(gaps)


def naive_gap(x_ND: Tensor, y_ND: Tensor, labels: list[int], tau: float) -> float:
    """Return CL minus NSCL by loops over anchors: their attraction is the same."""
    views = torch.cat([x_ND, y_ND]).double()
    views /= views.norm(dim=1, keepdim=True)
    pairs, gap = len(labels), 0.0
    for i in range(2 * pairs):
        others = [j for j in range(2 * pairs) if j % pairs != i % pairs]
        terms = [math.exp(float(views[i] @ views[j]) / tau) for j in others]
        kept = [
            t for t, j in zip(terms, others, strict=True) if labels[j % pairs] != labels[i % pairs]
        ]
        gap += math.log(sum(terms) / sum(kept))
    return gap / (2 * pairs)


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 2**16),
    samples=st.integers(3, 12),
    classes=st.integers(2, 4),
    tau=st.sampled_from([0.01, 0.1, 0.5, 1.0]),
)
def test_the_loss_gap_is_that_of_loops_and_within_its_bound(
    seed: int, samples: int, classes: int, tau: float
) -> None:
    generator = torch.Generator().manual_seed(seed)
    x_ND, y_ND = torch.randn(2, samples, 3, generator=generator)
    labels_N = torch.arange(samples) % classes
    member = make_member("n", lr=0.1, kind="nscl", temperature=tau)
    reference = make_member("c", lr=0.1, kind="cl", temperature=tau)
    measured = measure_loss_gap(member, reference, x_ND, y_ND, labels_N)
    expected = naive_gap(x_ND, y_ND, labels_N.tolist(), tau)
    assert measured["loss_gap"] == pytest.approx(expected, rel=1e-6, abs=1e-9)
    assert measured["loss_gap"] >= -1e-9
    assert measured["loss_gap_slack"] >= -1e-9
    most = -(-samples // classes)
    bound = math.log1p(most / (samples - most) * math.exp(2 / tau)) if tau > 0.01 else None
    if bound is not None:
        assert measured["loss_gap"] + measured["loss_gap_slack"] == pytest.approx(bound)


def test_the_loss_gap_is_of_nscl_against_cl_with_two_classes_at_least() -> None:
    x_ND, y_ND = torch.randn(2, 6, 3, generator=torch.Generator().manual_seed(0))
    nscl, cl = (make_member(k, lr=0.1, kind=k) for k in ("nscl", "cl"))
    supcon = make_member("s", lr=0.1, kind="supcon")
    two, one = torch.arange(6) % 2, torch.zeros(6, dtype=torch.int64)
    assert measure_loss_gap(supcon, cl, x_ND, y_ND, two) == {}
    assert measure_loss_gap(nscl, supcon, x_ND, y_ND, two) == {}
    assert measure_loss_gap(nscl, cl, x_ND, y_ND, one) == {}
    assert measure_loss_gap(nscl, cl, x_ND, y_ND, two).keys() == {"loss_gap", "loss_gap_slack"}


def test_readings_compare_the_evaluation_images_of_the_right_two_members() -> None:
    crowd = [
        coupled("cl", seed=1),
        coupled("nscl", seed=1),
        coupled("cl", seed=2, couple="b"),
        coupled("nscl", seed=2, couple="b"),
        make_member("alone", lr=0.1, kind="cl"),
    ]
    stack = Stack(make_cohort(crowd, train=TRAIN), DATA, CPU, torch.float32)
    noise = torch.Generator().manual_seed(0)
    for rows in stack.parameters.values():
        rows.add_(0.1 * torch.randn(rows.shape, generator=noise))
    evaluation = ImageEvaluation.of(DATA, DIGITS, NEVER_EARLY)
    readings = {
        member.trial: reading
        for member, reading in zip(stack.members, evaluation.read(stack), strict=True)
    }
    features_MND, projections_MND = stack.embed(evaluation.images.images_NF)
    place = {member.trial: i for i, member in enumerate(stack.members)}
    for couple in ("a", "b"):
        own, reference = place[f"nscl-{couple}"], place[f"cl-{couple}"]
        measured = readings[f"nscl-{couple}"].coupling
        expected = naive_cka(features_MND[own], features_MND[reference])
        assert measured["cka_features"] == pytest.approx(expected, rel=1e-6)
        expected = naive_cka(projections_MND[own], projections_MND[reference])
        assert measured["cka_projections"] == pytest.approx(expected, rel=1e-6)
        gaps = []
        for name in ("encoder.0.weight", "head.0.weight"):
            a, b = stack.parameters[name][own].double(), stack.parameters[name][reference].double()
            gaps.append(float((a - b).norm() / (a.norm() / 2 + b.norm() / 2)))
        assert measured["weight_gap"] == pytest.approx(sum(gaps) / 2, rel=1e-9)
    for trial in ("cl-a", "cl-b", "alone"):
        assert readings[trial].coupling == {}


def test_the_layers_are_products_and_convolutions_not_the_gains_of_norms() -> None:
    generator = torch.Generator().manual_seed(0)
    shapes = {
        "encoder.conv.weight": (2, 3, 1, 2, 2),
        "encoder.conv.bias": (2, 3),
        "encoder.norm.weight": (2, 3),
        "head.0.weight": (2, 3, 4),
        "head.0.bias": (2, 1, 4),
    }
    parameters = {n: torch.randn(shape, generator=generator) for n, shape in shapes.items()}
    for name in ("encoder.conv.weight", "head.0.weight"):
        parameters[name][0] = -parameters[name][1]
    features = torch.randn(2, 9, 5, generator=generator)
    assert measure_coupling(0, 1, features, features, parameters)["weight_gap"] == 2.0
    parameters["head.0.weight"][0] = parameters["head.0.weight"][1]
    assert measure_coupling(0, 1, features, features, parameters)["weight_gap"] == 1.0


def test_measures_end_where_the_reference_diverges_and_histories_stay_rectangular() -> None:
    pair = [coupled("cl", lr=OVERFLOWING_LR), coupled("nscl")]
    collapse = CollapseSettings(every_steps=1, settle_checks=0)
    outcomes = train_by_trial(make_cohort(pair, train=TRAIN, collapse=collapse))
    end, member = outcomes["cl-a"].diverged_at_step, outcomes["nscl-a"]
    assert end is not None
    assert member.coupling is not None
    assert member.coupling.steps == tuple(range(end))
    assert {len(column) for column in member.coupling.values.values()} == {end}
    assert not NAMES & member.measures.keys()
    assert member.initial.keys() >= NAMES
    assert member.history.steps == tuple(range(16))
    assert {len(column) for column in member.history.values.values()} == {16}


def test_a_member_that_diverges_keeps_what_was_measured() -> None:
    pair = [coupled("cl"), coupled("nscl", lr=OVERFLOWING_LR)]
    collapse = CollapseSettings(every_steps=1, settle_checks=0)
    outcome = train_by_trial(make_cohort(pair, train=TRAIN, collapse=collapse))["nscl-a"]
    assert outcome.diverged_at_step is not None
    assert outcome.coupling is not None
    assert outcome.coupling.steps == tuple(range(outcome.diverged_at_step))


def test_a_coupled_member_stays_to_the_end_where_another_leaves_early() -> None:
    pair = [coupled("cl", lr=30.0), coupled("nscl", lr=30.0)]
    free = [m.model_copy(update={"couple": None, "is_reference": False}) for m in pair]
    collapse = CollapseSettings(every_steps=2, settle_checks=2, margin=0.0)
    together = train_by_trial(make_cohort(pair, train=TRAIN, collapse=collapse))
    alone = train_by_trial(make_cohort(free, train=TRAIN, collapse=collapse))
    assert any(outcome.decided_early for outcome in alone.values())
    for trial, outcome in together.items():
        assert outcome.steps_done == TRAIN.steps
        seen = len(alone[trial].history.steps)
        assert (
            outcome.history.values["train_loss"][:seen]
            == (alone[trial].history.values["train_loss"])
        )


def test_neighbours_change_no_bit_of_a_couple() -> None:
    pair = [coupled("cl"), coupled("nscl")]
    crowd = [*pair, coupled("cl", couple="b", lr=0.3), coupled("nscl", couple="b", lr=0.3)]
    crowd += [make_member("x", lr=0.1, seed=3, kind="infonce")]
    together = train_by_trial(make_cohort(crowd[::-1], train=TRAIN))
    for trial, outcome in train_by_trial(make_cohort(pair, train=TRAIN)).items():
        assert outcome == together[trial]


def test_a_restored_logbook_knows_what_was_measured() -> None:
    cohort = make_cohort([coupled("cl"), coupled("nscl")], train=TRAIN)
    evaluation = ImageEvaluation.of(DATA, DIGITS, NEVER_EARLY)
    stack = Stack(cohort, DATA, CPU, torch.float32)
    logbook, again = (Logbook(cohort, evaluation.level) for _ in range(2))
    logbook.open(stack.members, evaluation.read(stack), evaluation.qualities(stack))
    again.restore(logbook.state())
    assert "cka_features" in logbook.state()
    assert again.state() == logbook.state()


def test_members_are_grouped_by_couple_in_the_order_of_their_firsts() -> None:
    a, b = coupled("cl"), coupled("nscl")
    lone = [make_member(name, lr=0.1, kind="cl") for name in ("x", "a")]  # named like a couple
    c = coupled("nscl", couple="c")
    assert group_couples([lone[0], b, lone[1], c, a]) == [(lone[0],), (b, a), (lone[1],), (c,)]
    assert find_references([lone[0], b, lone[1], c, a]) == {1: 4}
