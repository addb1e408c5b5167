"""The boundary search in simulated worlds: error, calibration, honesty, invariances."""

import math
import random
from collections.abc import Callable

import numpy as np
import pytest

from orchestrator.planners.boundary_search import BoundarySearch, Observation, Setting
from orchestrator.planners.study_space import space_of
from orchestrator.planners.surface.space import BoundarySpace, NumberAxis
from orchestrator.planners.threshold import Verdict
from orchestrator.planners.world_kind import WorldKind
from orchestrator.planners.worlds import build_world
from search_spaces.point import Point
from search_spaces.study import PlannerKind, Question
from tests.orchestrator.planners.lab import observe, search_world, study_over
from tests.orchestrator.planners.studies import CONDITIONAL_AXES, make_study

TWO_AXES = study_over(2)
Told = list[tuple[Setting, Observation]]


def gather(trials: int, seed: int = 0) -> Told:
    world = build_world(WorldKind.SMOOTH, TWO_AXES, seed)
    search = BoundarySearch(space_of(TWO_AXES), 2.0)
    told: Told = []
    while len(told) < trials:
        for setting in search.ask(16):
            told.append((setting, observe(world, setting)))
            search.tell(*told[-1])
    return told


def tell_all(told: Told, space: BoundarySpace | None = None) -> BoundarySearch:
    search = BoundarySearch(space or space_of(TWO_AXES), 2.0)
    for setting, observation in told:
        search.tell(setting, observation)
    return search


@pytest.mark.parametrize("seed", range(3))
def test_a_smooth_surface_is_found_with_a_sixteenth_of_the_grid(seed: int) -> None:
    found = search_world(WorldKind.SMOOTH, TWO_AXES, seed, 128)
    assert found.error <= 0.025
    assert found.coverage >= 0.85


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        pytest.param(WorldKind.LAPSES, 0.03, id="one-label-in-twenty-is-a-coin"),
        pytest.param(WorldKind.KINKED, 0.035, id="kinked"),
        pytest.param(WorldKind.CLIFF, 0.06, id="scores-say-nothing-but-the-label"),
        pytest.param(WorldKind.NOISY, 0.12, id="seeds-a-fifth-of-a-decade-apart"),
    ],
)
def test_harder_surfaces_take_96_trials(kind: WorldKind, error: float) -> None:
    assert search_world(kind, TWO_AXES, 1, 96).error <= error


def test_categories_have_surfaces_of_their_own() -> None:
    assert search_world(WorldKind.SMOOTH, study_over(1, has_words=True), 2, 96).error <= 0.025


@pytest.mark.parametrize("axes", [0, 2])
def test_no_crossing_in_the_range_is_said_and_not_a_number(axes: int) -> None:
    found = search_world(WorldKind.NONE, study_over(axes), 0, 72)
    verdicts = [t.verdict for t in found.search.posterior(found.places[:10])]
    assert set(verdicts) == {Verdict.ABOVE}
    assert all(t.p_above > 0.8 for t in found.search.posterior(found.places[:10]))


def test_a_second_crossing_becomes_an_interval_that_holds_the_first() -> None:
    found = search_world(WorldKind.REENTRANT, study_over(1), 1, 96)
    thresholds = found.search.posterior(found.places[:20])
    assert {t.verdict for t in thresholds} == {Verdict.TRANSITION}
    for threshold, truth in zip(thresholds, found.truths, strict=False):
        assert threshold.transition[0] <= truth + 0.1
        assert threshold.transition[1] >= truth + 0.5


def test_one_crossing_with_lapses_is_no_transition() -> None:
    found = search_world(WorldKind.LAPSES, TWO_AXES, 3, 96)
    assert all(t.verdict is Verdict.INSIDE for t in found.search.posterior(found.places))


def test_nothing_told_gives_the_whole_range_and_no_verdict() -> None:
    (threshold,) = BoundarySearch(BoundarySpace(-2.0, 2.0), 2.0).posterior([Point.of({})])
    assert threshold.verdict is Verdict.UNDECIDED
    assert threshold.lo < -2.0 < 2.0 < threshold.hi


@pytest.mark.parametrize(
    "score",
    [
        pytest.param(lambda _draw, _x: 9.0, id="flat"),
        pytest.param(lambda _draw, _x: 2.0, id="at-the-level"),
        pytest.param(lambda _draw, _x: 0.0, id="all-diverged"),
        pytest.param(lambda draw, _x: float(draw.uniform(1.0, 9.0)), id="coin-flips"),
        pytest.param(lambda _draw, x: 2.0 + math.sin(9 * x), id="waves"),
        pytest.param(lambda _draw, x: 4.0 * 4.0**x, id="upside-down"),
    ],
)
def test_senseless_scores_never_break_it(
    score: Callable[[np.random.Generator, float], float],
) -> None:
    draw = np.random.default_rng(0)
    search = BoundarySearch(space_of(TWO_AXES), 2.0)
    for _ in range(4):
        for setting in search.ask(12):
            value = score(draw, setting.x)
            search.tell(setting, Observation(value, value < 2.0, is_diverged=value == 0.0))
    thresholds = search.posterior([setting.place for setting in search.ask(5)])
    assert all(math.isfinite(t.lo) and t.lo <= t.median <= t.hi for t in thresholds)


def test_neither_order_nor_repetition_of_tells_matters() -> None:
    told = gather(48)
    shuffled = told * 2
    random.Random(0).shuffle(shuffled)
    once, other = tell_all(told), tell_all(shuffled)
    assert once.ask(16) == other.ask(16)
    places = [setting.place for setting, _ in told[:5]]
    assert once.posterior(places) == other.posterior(places)


def test_rescaling_the_axes_changes_nothing() -> None:
    def scaled(setting: Setting, factor: float) -> Setting:
        values = {path: factor * float(v) for path, v in setting.place.coordinates}
        return Setting(Point.of(values), setting.x, setting.replicate)

    told = gather(48)
    large = BoundarySpace(
        -2.0, 2.0, tuple(NumberAxis(f"a{i}", 0.05 * 1024, 1024.0, log=True) for i in range(2))
    )
    plain, rescaled = tell_all(told), tell_all([(scaled(s, 1024), o) for s, o in told], large)
    places = [setting.place for setting, _ in told[:8]]
    expected = [t.median for t in plain.posterior(places)]
    moved = [scaled(Setting(p, 0.0, 0), 1024).place for p in places]
    found = [t.median for t in rescaled.posterior(moved)]
    assert found == pytest.approx(expected, abs=2e-3)


@pytest.mark.parametrize("count", [1, 2, 7, 33])
def test_any_number_of_asks_lies_in_the_space_and_repeats_nothing(count: int) -> None:
    study = make_study(PlannerKind.SURFACE, Question.BOUNDARY, CONDITIONAL_AXES)
    space = space_of(study)
    search = BoundarySearch(space, 2.0)
    first = search.ask(count)
    second = search.ask(count, pending=first)
    keys = {setting.key for setting in first + second}
    assert len(keys) == 2 * count
    for setting in first + second:
        assert space.contains(setting.place)
        assert space.low <= setting.x <= space.high
        assert 0 <= setting.replicate < space.replicates


def test_pending_trials_send_the_next_ones_elsewhere() -> None:
    search = tell_all(gather(32))
    first = search.ask(8)
    places = {setting.place for setting in first}
    assert sum(setting.place in places for setting in search.ask(8, pending=first)) <= 4


def test_missing_trials_are_not_asked_again() -> None:
    search = tell_all(gather(32))
    missing = search.ask(8)
    for setting in missing:
        search.tell_missing(setting)
    assert not {s.key for s in missing} & {s.key for s in search.ask(8)}


def test_more_trials_are_expected_to_narrow_the_band() -> None:
    search = tell_all(gather(48))
    widths = [search.expected_width(more) for more in (0, 16, 64)]
    assert widths[0] > widths[1] > widths[2] > 0


def test_two_thousand_trials_are_no_burden() -> None:
    space = space_of(TWO_AXES)
    world = build_world(WorldKind.SMOOTH, TWO_AXES, 0)
    draw = np.random.default_rng(0)
    search = BoundarySearch(space, 2.0)
    for i in range(2000):
        place = space.place_at([float(v) for v in draw.random(2)])
        x = float(np.clip(world.threshold_at(place) + draw.normal(0.0, 0.3), -2.0, 2.0))
        setting = Setting(place, x, i % 3)
        search.tell(setting, observe(world, setting))
    assert len(search.ask(16)) == 16
    place = space.place_at([0.4, 0.6])
    assert search.posterior([place])[0].median == pytest.approx(world.threshold_at(place), abs=0.02)


@pytest.mark.slow
def test_the_band_covers_90_to_99_percent_over_200_worlds() -> None:
    kinds = (WorldKind.SMOOTH, WorldKind.KINKED, WorldKind.LAPSES, WorldKind.CLIFF)
    noises = ((1, 0.02), (1, 0.04), (1, 0.1), (1, 0.2), (2, 0.04))
    covered = [
        search_world(kind, study_over(axes), seed, 48 * axes, noise).coverage
        for seed in range(10)
        for kind in kinds
        for axes, noise in noises
    ]
    assert 0.90 <= np.mean(covered) <= 0.99


@pytest.mark.slow
def test_the_band_covers_90_to_99_percent_over_201_worlds_with_uneven_seeds() -> None:
    covered = [
        search_world(WorldKind.UNEVEN, study_over(axes), seed, 48 * axes, noise).coverage
        for seed in range(67)
        for axes, noise in ((1, 0.1), (1, 0.2), (2, 0.1))
    ]
    assert 0.90 <= np.mean(covered) <= 0.99


@pytest.mark.slow
def test_the_band_of_one_slice_does_not_shrink_below_what_all_trials_get_wrong_alike() -> None:
    covered = [
        search_world(kind, study_over(0, replicates=256), seed, 192).coverage
        for seed in range(20)
        for kind in (WorldKind.SMOOTH, WorldKind.NOISY, WorldKind.LAPSES)
    ]
    assert 0.90 <= np.mean(covered) <= 0.99
