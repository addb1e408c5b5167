"""Residuals from eta = tau and eta = tau / 2: against boundaries that lie where they are put."""

import pytest

from orchestrator.collapse_map import build_map
from orchestrator.report.layout import find_horizontal
from orchestrator.report.theory import LINES, TEMPERATURE, compare_with_lines
from orchestrator.report.theory_charts import chart_residuals, overlay_lines
from search_spaces.point import Point
from tests.orchestrator.report.builder import (
    KIND_AXIS,
    LR_AXIS,
    make_records,
    make_small_study,
    make_study,
)


def at_twice_the_temperature(point: Point) -> float:
    return 2.0 * float(point[TEMPERATURE])


def test_a_boundary_at_twice_the_temperature_lies_so_many_decades_above_the_lines() -> None:
    study = make_small_study()
    fits = compare_with_lines(build_map(study, make_records(study, at_twice_the_temperature)))
    assert [dict(fit.point.coordinates)["objective.kind"] for fit in fits] == ["infonce", "supcon"]
    for fit in fits:
        assert len(fit.residuals) == 3
        assert fit.slope == pytest.approx(1.0, abs=0.05)
        assert fit.spread == pytest.approx((0.301, 0.602), abs=0.05)
        for residual in fit.residuals:
            assert residual.low < residual.factor < residual.high
            assert residual.factor == pytest.approx(2.0, rel=0.15)
            assert residual.decades == pytest.approx((0.301, 0.602), abs=0.06)


def test_slices_without_a_threshold_have_no_residual() -> None:
    study = make_small_study()
    fits = compare_with_lines(build_map(study, make_records(study, lambda _: 1e5)))
    assert fits == ()
    assert chart_residuals(fits) is None


def test_a_study_without_temperatures_has_no_theory() -> None:
    study = make_study((LR_AXIS, KIND_AXIS))
    assert compare_with_lines(build_map(study, make_records(study))) == ()
    assert overlay_lines(find_horizontal(study), (0.01, 100.0)) == []


def test_lines_on_the_map_are_cut_where_they_leave_the_studied_rates() -> None:
    horizontal = find_horizontal(make_small_study())
    assert horizontal is not None
    first, second = overlay_lines(horizontal, (0.2, 0.4))
    for (_, factor), trace in zip(LINES, (first, second), strict=True):
        assert [y / x for x, y in zip(trace["x"], trace["y"], strict=True)] == [factor] * 3
        assert min(trace["y"]) == pytest.approx(0.2)
        assert max(trace["y"]) == pytest.approx(0.4)
    assert overlay_lines(horizontal, (2.0, 4.0)) == []


def test_residuals_are_drawn_with_bands_and_both_lines() -> None:
    study = make_small_study()
    fits = compare_with_lines(build_map(study, make_records(study)))
    chart = chart_residuals(fits)
    assert chart is not None
    assert [len(trace["x"]) for trace in chart["traces"]] == [3, 3]
    assert [shape["y0"] for shape in chart["layout"]["shapes"]] == [1.0, 0.5]
