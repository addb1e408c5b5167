"""A finished study as the prior of another: a right one saves trials, a wrong one is overcome."""

import json
import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from orchestrator.errors import PriorError
from orchestrator.planners.prior import sum_up_boundary
from orchestrator.planners.study_space import open_search
from orchestrator.planners.surface_planner import SurfacePlanner
from search_spaces.axis import ChoiceAxis, RangeAxis
from search_spaces.point import Point
from search_spaces.prior_boundary import PriorBoundary
from search_spaces.study import PlannerKind, Question, Study
from tests.orchestrator.planners.lab import observe
from tests.orchestrator.planners.prior_lab import (
    EARLIER,
    KINDS,
    LATER,
    TEMPERATURE,
    inherit,
    search_later,
    spoil,
    study_between,
    told_earlier,
    world_of,
)
from tests.orchestrator.planners.studies import LR_AXIS, make_study

SEEDS = range(3)
MORE_SEEDS = range(8)  # where the means of two searches are compared closely


def tilt(place: Point) -> float:
    """Decades of error that turn the slope over temperature around, and more."""
    return 1.5 * (math.log10(float(place[TEMPERATURE])) + 0.5)


def test_a_right_prior_saves_half_of_the_trials() -> None:
    with_prior = np.mean([search_later(seed, inherit(seed), 8) for seed in SEEDS], axis=0)
    without = np.mean([search_later(seed, None, 16) for seed in SEEDS], axis=0)
    as_few = np.mean([search_later(seed, None, 8) for seed in SEEDS], axis=0)

    assert with_prior[0] <= 1.25 * without[0]
    assert with_prior[0] <= 0.6 * as_few[0]
    assert with_prior[1] <= 0.4 * as_few[1]
    assert with_prior[2] >= 0.9


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(lambda _place: 1.0, id="a-decade-too-high"),
        pytest.param(lambda _place: -1.0, id="a-decade-too-low"),
        pytest.param(tilt, id="tilted-up"),
        pytest.param(lambda place: -tilt(place), id="tilted-down"),
        pytest.param(lambda _place: 0.2, id="a-little-too-high"),
    ],
)
def test_a_wrong_prior_is_overcome(error: Callable[[Point], float]) -> None:
    trials = 48
    wrong = [search_later(seed, spoil(inherit(seed), error), trials) for seed in MORE_SEEDS]
    without = [search_later(seed, None, trials) for seed in MORE_SEEDS]
    assert np.mean([e for e, _, _ in wrong]) <= 1.5 * np.mean([e for e, _, _ in without])
    assert np.mean([covered for _, _, covered in wrong]) >= 0.85


def test_trials_decide_whether_a_prior_stands() -> None:
    right, wrong = inherit(0), spoil(inherit(0), lambda _place: 1.0)
    searches = [open_search(replace(LATER, start=start), ()) for start in (right, wrong)]
    assert all(search.fit().is_anchored for search in searches)
    assert [search.fit().prior_share for search in searches] == pytest.approx([0.7, 0.7])
    for setting in open_search(LATER, ()).ask(24):
        for search in searches:
            search.tell(setting, observe(world_of(0), setting))
    assert [search.fit().is_anchored for search in searches] == [True, False]


def test_a_dropped_prior_leaves_no_trace() -> None:
    wrong = open_search(replace(LATER, start=spoil(inherit(0), lambda _place: 1.0)), ())
    plain = open_search(LATER, ())
    for setting in plain.ask(24):
        for search in (wrong, plain):
            search.tell(setting, observe(world_of(0), setting))
    assert wrong.posterior(LATER.slices()) == plain.posterior(LATER.slices())
    assert wrong.ask(16) == plain.ask(16)


def test_the_first_trials_lie_where_the_prior_expects_the_boundary() -> None:
    start = inherit(0)
    search = open_search(replace(LATER, start=start), ())
    asked = search.ask(16)
    away = [abs(s.x - world_of(0).threshold_at(s.place)) for s in asked]
    assert sum(distance < 0.5 for distance in away) >= 10


def test_a_prior_alone_answers_nothing() -> None:
    easy = LATER.budget.model_copy(update={"band_decades": 4.0})
    assert len(SurfacePlanner(replace(LATER, start=inherit(0), budget=easy)).ask()) == 16


def test_the_summary_is_what_the_earlier_study_believes() -> None:
    start = inherit(0)
    search = open_search(EARLIER, told_earlier(0))
    inside = [i for i, place in enumerate(start.places) if float(place[TEMPERATURE]) <= 0.5]
    found = search.posterior([start.places[i] for i in inside])
    assert [start.medians[i] for i in inside] == pytest.approx([t.median for t in found])
    widths = [2 * 1.96 * start.deviations[i] for i in inside]
    assert widths == pytest.approx([t.width for t in found], abs=0.01)


def test_it_grows_unsure_beyond_the_earlier_range() -> None:
    start = inherit(1)
    rows = zip(start.places, start.deviations, strict=True)
    unsure = sorted((float(place[TEMPERATURE]), sd) for place, sd in rows)
    within = [sd for temperature, sd in unsure if temperature <= 0.5]
    assert unsure[-1][1] > 3 * float(np.mean(within))


def test_a_new_axis_makes_no_difference() -> None:
    wider = study_between(
        0.1, 0.4, "wider", KINDS, RangeAxis("train.momentum", 0.0, 0.9, log=False)
    )
    start = sum_up_boundary(EARLIER, told_earlier(0), wider)
    believed = [
        t.median
        for t in open_search(EARLIER, told_earlier(0)).posterior(
            [place.without("train.momentum") for place in start.places]
        )
    ]
    assert list(start.medians) == pytest.approx(believed)


def test_kinds_that_the_earlier_study_lacks_get_no_prior() -> None:
    kinds = ChoiceAxis("objective.kind", ("infonce", "nscl"))
    start = sum_up_boundary(EARLIER, told_earlier(0), study_between(0.1, 1.0, "other", kinds))
    assert {place["objective.kind"] for place in start.places} == {"infonce"}


def test_an_axis_of_the_earlier_study_takes_the_later_ones_fixed_value() -> None:
    fixed = replace(
        make_study(PlannerKind.SURFACE, Question.BOUNDARY, (LR_AXIS, KINDS)),
        fixed=(("data.source", "digits"), ("model.encoder", "mlp"), (TEMPERATURE, 0.3)),
    )
    start = sum_up_boundary(EARLIER, told_earlier(0), fixed)
    at = [place.replace(TEMPERATURE, 0.3) for place in start.places]
    believed = open_search(EARLIER, told_earlier(0)).posterior(at)
    assert list(start.medians) == pytest.approx([t.median for t in believed])


def test_it_survives_json_exactly() -> None:
    start = inherit(0)
    again = PriorBoundary.from_content(json.loads(json.dumps(start.to_content())))
    assert again == start
    assert again.digest == start.digest
    assert spoil(start, lambda _place: 1e-9).digest != start.digest


@pytest.mark.parametrize(
    ("earlier", "later", "message"),
    [
        pytest.param(
            replace(EARLIER, question=Question.GRID), LATER, "maps no boundary", id="grid"
        ),
        pytest.param(
            EARLIER,
            study_between(0.1, 1.0, "other", ChoiceAxis("objective.kind", ("nscl", "cl"))),
            "no objective kind or other category in common with other",
            id="other-kinds",
        ),
    ],
)
def test_studies_without_use_are_refused(earlier: Study, later: Study, message: str) -> None:
    with pytest.raises(PriorError, match=message):
        sum_up_boundary(earlier, told_earlier(0), later)


def test_a_study_that_found_nothing_is_refused() -> None:
    with pytest.raises(PriorError, match=r"not found a critical learning rate .*\(3 finished"):
        sum_up_boundary(EARLIER, told_earlier(0)[:3], LATER)
