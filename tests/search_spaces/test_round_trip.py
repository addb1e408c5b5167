"""Any study can be written down again, in any order, and is the same study."""

import copy
import random
from typing import Any

import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from search_spaces.axis import RangeAxis
from search_spaces.study import Study
from tests.search_spaces.any_study import Json, any_study
from tests.search_spaces.sample import parse

any_example = settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


def write(study: Study) -> str:
    """Write a study from its own fields, with every default of the header spelt out."""
    content: Json = {
        "study": study.name,
        "question": study.question.value,
        "planner": study.planner.value,
        "seeds": study.replicates,
        "seed": study.seed,
        "budget": study.budget.model_dump(),
        "collapse": study.collapse.model_dump(),
    }
    for path, value in study.fixed:
        put(content, path, list(value) if isinstance(value, tuple) else value)
    for axis in study.axes:
        put(
            content,
            axis.path,
            written_range(axis) if isinstance(axis, RangeAxis) else [*axis.values],
        )
    return yaml.safe_dump(content, sort_keys=False)


def written_range(axis: RangeAxis) -> Json:
    return {"points": axis.points, "log": axis.log, "high": axis.high, "low": axis.low}


def put(content: Json, path: str, value: Any) -> None:
    *parents, leaf = path.split(".")
    for name in parents:
        content = content.setdefault(name, {})
    content[leaf] = value


def shuffled(content: Any, rng: random.Random) -> Any:
    """Return the same content with the keys of every mapping in another order."""
    if not isinstance(content, dict):
        return content
    keys = rng.sample(sorted(content), len(content))
    return {key: shuffled(content[key], rng) for key in keys}


@any_example
@given(content=any_study())
def test_a_study_that_is_written_and_read_again_is_equal(content: Json) -> None:
    study = parse(yaml.safe_dump(content))
    again = parse(write(study))
    assert again == study
    assert again.digest == study.digest


@any_example
@given(content=any_study(), seed=st.integers(0, 2**16), trials=st.integers(1, 9999))
def test_key_order_comments_and_budget_keep_the_digest(
    content: Json, seed: int, trials: int
) -> None:
    study = parse(yaml.safe_dump(content, sort_keys=False))
    other = copy.deepcopy(content)
    other["budget"] = {"trials": trials, "band_decades": 0.5}
    text = yaml.safe_dump(shuffled(other, random.Random(seed)), sort_keys=False)
    commented = "# a comment\n" + text.replace("\n", "  # another\n")
    assert parse(commented).digest == study.digest


@any_example
@given(content=any_study())
def test_settings_can_be_built_at_both_ends_of_every_slice(content: Json) -> None:
    study = parse(yaml.safe_dump(content))
    assert study.lr_axis is not None
    for point in study.slices()[:20]:
        for lr in (study.lr_axis.low, study.lr_axis.high):
            assert study.settings_at(point.replace("lr", lr)).lr == lr


@any_example
@given(content=any_study())
def test_slices_are_points_of_their_own_kinds_axes_and_all_different(content: Json) -> None:
    study = parse(yaml.safe_dump(content))
    slices = study.slices()
    assert len(set(slices)) == len(slices)
    for point in slices:
        coordinates = dict(point.coordinates)
        kind = str(coordinates.get("objective.kind", study.kinds[0]))
        paths = {axis.path for axis in study.axes_for(kind)} - {"lr"}
        assert coordinates.keys() == paths
