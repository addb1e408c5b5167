"""By which measure points are ranked."""

import dataclasses

import pytest

from orchestrator.report.best import choose_metric
from search_spaces.axis import ChoiceAxis
from search_spaces.study import Question
from tests.orchestrator.report.builder import LR_AXIS, make_study


@pytest.mark.parametrize(
    ("source", "metric"), [("digits", "knn_accuracy"), ("general_midi", "val_recall_at_1")]
)
def test_a_grid_is_ranked_by_what_its_trials_measure(source: str, metric: str) -> None:
    study = make_study((LR_AXIS,), Question.GRID)
    fixed = dict(study.fixed) | {"data.source": source}
    given = dataclasses.replace(study, fixed=tuple(sorted(fixed.items())))
    assert choose_metric(given) == (metric, True)
    varied = make_study((LR_AXIS, ChoiceAxis("data.source", (source,))), Question.GRID)
    assert choose_metric(varied) == (metric, True)


def test_an_optimised_study_is_ranked_by_its_own_metric() -> None:
    assert choose_metric(make_study(question=Question.OPTIMISE)) == ("knn_accuracy", True)
