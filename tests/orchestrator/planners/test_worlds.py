"""Named worlds: equal for equal seeds, laid inside the range, and each what its name says."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.planners.protocol import Proposal
from orchestrator.planners.relief import Relief
from orchestrator.planners.simulated import Surface
from orchestrator.planners.world_kind import WorldKind
from orchestrator.planners.worlds import MARGIN_DECADES, build_world
from search_spaces.axis import Axis, ChoiceAxis, RangeAxis
from search_spaces.study import PlannerKind, Question, Study
from tests.orchestrator.planners.studies import CONDITIONAL_AXES, LR_AXIS, make_study

BATCHES = ChoiceAxis("train.batch_size", (64, 128, 256))
FIVE_AXES: tuple[Axis, ...] = (*CONDITIONAL_AXES, BATCHES, ChoiceAxis("model.norm", ("no", "yes")))


def study_over(*axes: Axis) -> Study:
    return make_study(PlannerKind.BISECT, Question.BOUNDARY, axes)


def scores(world: Surface, study: Study, count: int = 400) -> list[float]:
    """Scores along the learning rates of the first slice, a replicate each."""
    slice_ = study.slices()[0]
    rates = np.geomspace(1e-2, 100.0, count)
    return [
        world.find(Proposal(slice_.replace("lr", float(lr)), r)).score for r, lr in enumerate(rates)
    ]


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**20), kind=st.sampled_from([k for k in WorldKind if k != "none"]))
@pytest.mark.parametrize("axes", [(LR_AXIS,), CONDITIONAL_AXES, FIVE_AXES])
def test_every_slice_crosses_well_inside_the_range(
    axes: tuple[Axis, ...], seed: int, kind: WorldKind
) -> None:
    study = study_over(*axes)
    world = build_world(kind, study, seed)
    margin = MARGIN_DECADES - 1e-9
    assert all(-2 + margin <= world.threshold_at(p) <= 2 - margin for p in study.slices())
    assert world == build_world(kind, study, seed)


def test_where_there_is_no_crossing_nothing_collapses() -> None:
    study = study_over(*CONDITIONAL_AXES)
    world = build_world(WorldKind.NONE, study, 3)
    tops = [Proposal(point.replace("lr", 100.0), 0) for point in study.slices()]
    assert not any(world.find(top).is_collapsed for top in tops)


def test_worlds_of_different_seeds_differ() -> None:
    study = study_over(*CONDITIONAL_AXES)
    point = study.slices()[0]
    drawn = {build_world(WorldKind.SMOOTH, study, seed).threshold_at(point) for seed in range(8)}
    assert len(drawn) == 8


@pytest.mark.parametrize(
    ("kind", "noise"), [(WorldKind.SMOOTH, 0.04), (WorldKind.NOISY, 0.2), (WorldKind.LAPSES, 0.04)]
)
def test_seeds_scatter_around_the_threshold_as_said(kind: WorldKind, noise: float) -> None:
    study = study_over(LR_AXIS)
    world = replace(build_world(kind, study, 0), jitter=0.0, lapse=0.0)
    lr = round(10 ** world.threshold_at(study.slices()[0]), 6)
    trials = [Proposal(study.slices()[0].replace("lr", lr), r) for r in range(2000)]
    below = [world.find(t).score for t in trials]
    # The score's slope turns decades into scores: -(level - 1)(1 - share) / softness.
    decades = [math.log((s - 1) / (23 - (s - 1)) * 22) * -world.softness for s in below]
    assert np.std(decades) == pytest.approx(math.hypot(noise, 0.05 * world.softness), rel=0.1)
    assert np.mean([s < 2 for s in below]) == pytest.approx(0.5, abs=0.05)


def test_uneven_seeds_scatter_little_in_some_slices_and_ten_times_more_in_others() -> None:
    study = study_over(*CONDITIONAL_AXES)
    worlds = [build_world(WorldKind.UNEVEN, study, seed) for seed in range(20)]
    noises = [[world.seed_noise_at(point) for point in study.slices()] for world in worlds]
    assert float(np.median([max(row) / min(row) for row in noises])) > 4
    assert float(np.exp(np.log(noises).mean())) == pytest.approx(0.1, rel=0.5)
    even = build_world(WorldKind.SMOOTH, study, 0)
    assert {even.seed_noise_at(point) for point in study.slices()} == {0.04}


def test_another_seed_noise_can_be_asked_for() -> None:
    study = study_over(LR_AXIS)
    assert build_world(WorldKind.NOISY, study, 0, seed_noise=0.1).seed_noise == 0.1
    assert build_world(WorldKind.SMOOTH, study, 0, seed_noise=0.0).seed_noise == 0.0


def test_one_in_forty_labels_is_wrong_where_trials_lapse() -> None:
    study = study_over(LR_AXIS)
    lapsing = build_world(WorldKind.LAPSES, study, 0)
    sound = replace(lapsing, lapse=0.0)
    pairs = zip(scores(lapsing, study, 4000), scores(sound, study, 4000), strict=True)
    assert np.mean([(a < 2) != (b < 2) for a, b in pairs]) == pytest.approx(0.025, abs=0.008)


def test_a_kink_bends_the_boundary_once() -> None:
    temperature = RangeAxis("objective.temperature", 0.05, 1.0, log=True, points=41)
    study = study_over(LR_AXIS, temperature)
    kinked = replace(build_world(WorldKind.KINKED, study, 1), relief=None)
    bends = np.abs(np.diff([kinked.threshold_at(p) for p in study.slices()], 2))
    # A bend between two grid values shows at one or two of them.
    assert 1 <= (bends > 1e-6).sum() <= 2


@pytest.mark.parametrize(("kind", "decades"), [(WorldKind.SMOOTH, 1.5), (WorldKind.CLIFF, 0.11)])
def test_the_score_falls_over_as_many_decades_as_said(kind: WorldKind, decades: float) -> None:
    study = study_over(LR_AXIS)
    world = replace(build_world(kind, study, 2), seed_noise=0.0, jitter=0.0, score_noise=0.0)
    rates = np.linspace(-2, 2, 4000)
    falling = np.array(scores(world, study, 4000))
    start, end = rates[falling < 22][0], rates[falling < 2][0]
    assert end - start == pytest.approx(decades, rel=0.1)


def test_reentrant_worlds_are_healthy_again_above_the_threshold() -> None:
    study = study_over(LR_AXIS)
    world = replace(build_world(WorldKind.REENTRANT, study, 0), seed_noise=0.0, jitter=0.0)
    labels = np.array([score < 2 for score in scores(world, study)])
    assert np.diff(labels.astype(int)).tolist().count(1) == 2


def test_a_world_needs_a_learning_rate_range() -> None:
    with pytest.raises(ValueError, match="no learning-rate range"):
        build_world(WorldKind.SMOOTH, study_over(BATCHES), 0)


def test_hills_are_smooth_and_stand_as_high_as_said() -> None:
    axis = RangeAxis("t", 0.0, 1.0, log=False, points=200)
    study = study_over(LR_AXIS, axis)
    lines = np.array(
        [
            [Relief((axis,), height=0.3, seed=seed).height_at(p) for p in study.slices()]
            for seed in range(60)
        ]
    )
    assert lines.std() == pytest.approx(0.3, rel=0.15)
    assert np.abs(np.diff(lines, axis=1)).max() < 0.02


def test_categories_share_their_hills_and_have_some_of_their_own() -> None:
    kind = ChoiceAxis("k", ("a", "b"))
    axis = RangeAxis("t", 0.0, 1.0, log=False, points=25)
    relief = Relief((kind, axis), seed=1)
    points = study_over(LR_AXIS, kind, axis).slices()
    a, b = (np.array([relief.height_at(p) for p in points if p["k"] == k]) for k in "ab")
    assert not np.allclose(a, b)
    means = [[Relief((kind,), seed=s).height_at(p) for p in points[::25]] for s in range(200)]
    assert np.corrcoef(np.array(means).T)[0, 1] == pytest.approx(0.8, abs=0.12)


def test_lists_of_numbers_are_axes_and_an_absent_axis_counts_as_its_middle() -> None:
    relief = Relief((BATCHES,), seed=0)
    points = study_over(LR_AXIS, BATCHES).slices()
    assert relief.height_at(points[1]) == relief.height_at(points[1].without("train.batch_size"))
    assert relief.height_at(points[0]) != relief.height_at(points[2])
