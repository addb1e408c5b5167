"""The demo study is the one that the README promises."""

from pathlib import Path

import search_spaces
from search_spaces.axis import RangeAxis
from search_spaces.load import load_study
from search_spaces.study import PlannerKind, Question

STUDIES = Path(search_spaces.__file__).parent / "studies"


def test_the_demo_asks_for_the_boundary_of_three_objectives() -> None:
    study = load_study(STUDIES / "demo.yaml")
    assert (study.name, study.question, study.planner) == (
        "demo",
        Question.BOUNDARY,
        PlannerKind.BISECT,
    )
    assert study.kinds == ("infonce", "supcon", "clop")
    assert study.lr_axis == RangeAxis("lr", 0.01, 100.0, log=True)
    assert (len(study.slices()), study.replicates) == (15, 3)
    assert study.budget.trials >= 200


def test_every_shipped_study_is_valid_and_named_after_its_file() -> None:
    paths = sorted(STUDIES.glob("*.yaml"))
    assert paths
    for path in paths:
        study = load_study(path)
        assert study.name == path.stem
