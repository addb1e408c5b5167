"""A study's axes, slices, settings and digest."""

import pickle

import pytest

from search_spaces.axis import ChoiceAxis, RangeAxis
from search_spaces.errors import PointError
from search_spaces.point import Point
from search_spaces.study import PlannerKind, Question
from tests.search_spaces.sample import SAMPLE, parse, sample_with
from trainer.objective_settings import ClopSettings, InfoNCESettings

LAMBDA_AXIS = sample_with("lambda: 1.0", "lambda: [0.5, 1.5]")


def test_lists_and_ranges_are_axes_sorted_by_path_and_the_rest_is_fixed() -> None:
    study = parse()
    assert study.axes == (
        RangeAxis("lr", 0.01, 10.0, log=True),
        ChoiceAxis("objective.kind", ("infonce", "clop")),
        RangeAxis("objective.temperature", 0.1, 1.0, log=True, points=3),
    )
    assert study.fixed == (
        ("data.source", "digits"),
        ("model.embed_dim", 16),
        ("model.encoder", "mlp"),
        ("model.hidden", (16,)),
        ("objective.lambda", 1.0),
        ("train.batch_size", 64),
        ("train.steps", 10),
    )
    assert study.lr_axis == study.axes[0]
    assert (study.replicates, study.seed, study.budget.trials) == (2, 0, 40)
    assert study.budget.band_decades == 0.1


def test_an_axis_of_one_kind_applies_to_that_kind_alone() -> None:
    study = parse(LAMBDA_AXIS)
    assert [axis.path for axis in study.axes_for("infonce")] == [
        "lr",
        "objective.kind",
        "objective.temperature",
    ]
    assert ChoiceAxis("objective.lambda", (0.5, 1.5), frozenset({"clop"})) in study.axes_for("clop")


def test_slices_are_the_grid_of_everything_but_the_learning_rate() -> None:
    slices = parse(LAMBDA_AXIS).slices()
    temperatures = (0.1, 0.316227766, 1.0)
    expected = [{"objective.kind": "infonce", "objective.temperature": t} for t in temperatures]
    expected_clop = [
        {"objective.kind": "clop", "objective.lambda": weight, "objective.temperature": t}
        for weight in (0.5, 1.5)
        for t in temperatures
    ]
    assert [dict(point.coordinates) for point in slices] == [*expected, *expected_clop]


def test_a_study_of_the_learning_rate_alone_has_one_slice_without_coordinates() -> None:
    study = parse(SAMPLE, "objective={kind: supcon}")
    assert study.kinds == ("supcon",)
    assert study.slices() == (Point(()),)


def test_a_list_of_learning_rates_is_no_range_and_no_slice() -> None:
    study = parse(SAMPLE, "question=grid", "lr=[0.1, 1]", "objective={kind: supcon}")
    assert study.lr_axis is None
    assert study.slices() == (Point(()),)


def test_settings_at_a_point_use_what_its_kind_knows() -> None:
    study = parse(LAMBDA_AXIS, "collapse.below=3")
    infonce, *_, clop = (point.replace("lr", 0.25) for point in study.slices())
    settings = study.settings_at(clop)
    assert settings.objective == ClopSettings(temperature=1.0, lambda_=1.5)
    assert (settings.lr, settings.train.steps, settings.collapse.below) == (0.25, 10, 3.0)
    assert study.settings_at(infonce).objective == InfoNCESettings(temperature=0.1)


@pytest.mark.parametrize(
    ("coordinates", "message"),
    [
        (
            {"lr": 1.0, "objective.kind": "clop"},
            r"for objective clop has the coordinates lr, objective.kind, objective.temperature; "
            r"got lr, objective.kind$",
        ),
        (
            {"lr": 1.0, "objective.kind": "infonce", "objective.temperature": 0.1, "model.norm": 1},
            r"got lr, model.norm, objective.kind, objective.temperature$",
        ),
        ({"lr": 1.0, "objective.kind": "supcon"}, r"no objective supcon; it has clop, infonce$"),
    ],
)
def test_a_point_off_the_axes_is_refused(coordinates: dict[str, float | str], message: str) -> None:
    with pytest.raises(PointError, match=message):
        parse().settings_at(Point.of(coordinates))


@pytest.mark.parametrize(
    ("question", "planner"),
    [
        (Question.BOUNDARY, PlannerKind.BISECT),
        (Question.GRID, PlannerKind.GRID),
        (Question.OPTIMISE, PlannerKind.TPE),
    ],
)
def test_every_question_has_its_own_planner(question: Question, planner: PlannerKind) -> None:
    optimise = "optimise={metric: knn_accuracy, direction: maximize}"
    extra = [optimise] if question is Question.OPTIMISE else []
    assert parse(SAMPLE, f"question={question}", *extra).planner is planner
    assert parse(SAMPLE, f"question={question}", "planner=qmc", *extra).planner is PlannerKind.QMC


@pytest.mark.parametrize(
    "override",
    [
        "study=other",
        "question=grid",
        "planner=grid",
        "seeds=3",
        "seed=1",
        "train.steps=11",
        "collapse.below=2.5",
        "lr.high=11",
        "lr.points=6",
        "objective.lambda=2",
        "objective.temperature_mode=learnable",
        "objective.kind=[clop, infonce, supcon]",
        "model.hidden=[16, 16]",
        "data.augment.noise_std=0.2",
    ],
)
def test_whatever_shapes_the_trials_changes_the_digest(override: str) -> None:
    assert parse(SAMPLE, override).digest != parse().digest


@pytest.mark.parametrize(
    "override",
    [
        "budget.trials=4000",
        "budget.band_decades=0.01",
        "train.momentum=0.9",
        "objective.lambda=1",
        "objective.temperature_mode=fixed",
        "planner=bisect",
        "collapse.every_steps=25",
        "lr.low=0.0100",
    ],
)
def test_a_budget_a_default_written_out_or_another_spelling_keeps_the_digest(override: str) -> None:
    assert parse(SAMPLE, override).digest == parse().digest


def test_key_order_and_comments_keep_the_digest() -> None:
    reordered = "# why\n" + "\n".join(sorted(SAMPLE.splitlines()[9:])) + "\n"
    reordered += "\n".join(SAMPLE.splitlines()[:9]) + "  # end\n"
    assert reordered != SAMPLE
    assert parse(reordered) == parse()
    assert parse(reordered).digest == parse().digest


def test_a_digest_is_the_same_on_every_machine_and_day() -> None:
    assert len(parse().digest) == 12
    assert int(parse().digest, 16) >= 0
    assert pickle.loads(pickle.dumps(parse())).digest == parse().digest
