"""PNG figures: data really drawn, arrows instead of numbers, equal bytes for equal data."""

from collections.abc import Callable
from functools import cache
from io import BytesIO

import matplotlib.image
import numpy as np
import pytest
from matplotlib.colors import to_rgb

from orchestrator.collapse_map import CollapseMap, build_map
from orchestrator.report.canvas import DPI, WIDTH_INCHES
from orchestrator.report.map_figure import draw_map
from orchestrator.report.measure_figures import draw_scores, draw_spectra
from orchestrator.report.palette import HEALTHY_SHADES, MARKS, curve_colour
from search_spaces.axis import Axis, ChoiceAxis
from tests.orchestrator.report.builder import (
    KIND_AXIS,
    LR_AXIS,
    make_records,
    make_small_study,
    make_study,
)
from trainer.collapse.regime import Regime

RATES = ChoiceAxis("lr", (0.1, 1.0, 10.0))
ONE_SLICE = make_study((LR_AXIS,))
Drawing = Callable[[CollapseMap], bytes]


def count_pixels(png: bytes, colour: str) -> int:
    """Return how many pixels have exactly a colour; antialiased edges do not count."""
    pixels = np.rint(255 * matplotlib.image.imread(BytesIO(png))[..., :3])
    wanted = np.rint(255 * np.array(to_rgb(colour)))
    return int((pixels == wanted).all(axis=-1).sum())


@cache
def map_of(critical_lr: float | None = None) -> CollapseMap:
    study = make_small_study()
    if critical_lr is None:
        return build_map(study, make_records(study))
    return build_map(study, make_records(study, lambda _: critical_lr))


def test_the_map_shows_boundaries_and_regimes_in_their_colours() -> None:
    png = draw_map(map_of())
    assert count_pixels(png, curve_colour(0)) > 500
    assert count_pixels(png, curve_colour(1)) > 200
    for regime in (Regime.HEALTHY, Regime.COMPLETE):
        assert count_pixels(png, MARKS[regime].colour) > 500
    assert count_pixels(png, MARKS[Regime.DIMENSIONAL].colour) == 0


def test_figures_are_as_wide_as_a_readme_at_150_dpi() -> None:
    png = draw_map(map_of(1e5))
    assert matplotlib.image.imread(BytesIO(png)).shape[1] == WIDTH_INCHES * DPI


def test_above_the_range_draws_an_arrow_and_no_boundary() -> None:
    crossing, above = draw_map(map_of()), draw_map(map_of(1e5))
    colour = curve_colour(0)
    assert 0 < count_pixels(above, colour) < 0.6 * count_pixels(crossing, colour)


@pytest.mark.parametrize("draw", [draw_map, draw_spectra, draw_scores])
def test_equal_data_give_equal_bytes(draw: Drawing) -> None:
    records = make_records(ONE_SLICE)
    forwards, backwards = (build_map(ONE_SLICE, order) for order in (records, records[::-1]))
    assert draw(forwards) == draw(backwards)


def test_spectra_and_scores_have_lines() -> None:
    assert count_pixels(draw_spectra(map_of()), HEALTHY_SHADES[-1]) > 200
    empty = build_map(make_small_study(), [])
    assert count_pixels(draw_spectra(empty), HEALTHY_SHADES[-1]) == 0
    assert draw_scores(map_of()) != draw_scores(empty)


@pytest.mark.parametrize(
    ("axes", "critical_lr"),
    [
        pytest.param((LR_AXIS,), 5.0, id="one-slice"),
        pytest.param((LR_AXIS,), 1e5, id="all-healthy"),
        pytest.param((LR_AXIS,), 1e-5, id="all-diverged"),
        pytest.param((LR_AXIS, KIND_AXIS), 5.0, id="choices"),
        pytest.param((LR_AXIS, ChoiceAxis("train.batch_size", (64, 256))), 5.0, id="numbers"),
        pytest.param((RATES, ChoiceAxis("train.steps", (10, 20, 30))), 5.0, id="lr-list"),
    ],
)
def test_every_shape_of_study_has_its_figures(axes: tuple[Axis, ...], critical_lr: float) -> None:
    study = make_study(axes)
    records = make_records(study, lambda _: critical_lr)
    if RATES in axes:
        records = [record for record in records if record.settings.lr in RATES.values]
    for draw in (draw_map, draw_spectra, draw_scores):
        assert draw(build_map(study, records)).startswith(b"\x89PNG")


def test_a_study_without_outcomes_has_figures_that_say_so() -> None:
    for draw in (draw_map, draw_spectra, draw_scores):
        assert draw(build_map(make_small_study(), [])).startswith(b"\x89PNG")


def test_a_study_with_a_fixed_learning_rate_has_no_map() -> None:
    study = make_study((ChoiceAxis("train.batch_size", (64, 256)),))
    with pytest.raises(ValueError, match="does not vary the learning rate"):
        draw_map(build_map(study, []))
