"""Phase diagrams: pieces fill the studied range and hold the trials they are named after."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.collapse_map import build_map
from orchestrator.report.layout import lay_out
from orchestrator.report.phase_charts import chart_phases, cut_pieces
from tests.orchestrator.report.builder import (
    KIND_AXIS,
    LR_AXIS,
    make_records,
    make_small_study,
    make_study,
)
from trainer.collapse.regime import Regime

trials = st.lists(
    st.tuples(st.integers(-8, 8).map(lambda n: 10.0 ** (n / 4)), st.sampled_from(sorted(Regime))),
    min_size=1,
    max_size=30,
)


@settings(max_examples=50, deadline=None)
@given(trials=trials)
def test_pieces_fill_the_range_and_each_holds_its_rate(trials: list[tuple[float, Regime]]) -> None:
    pieces = cut_pieces(trials, (0.01, 100.0))
    assert (pieces[0].low, pieces[-1].high) == (0.01, 100.0)
    for left, right in pairwise(pieces):
        assert left.high == right.low
    for piece in pieces:
        assert piece.low <= piece.lr <= piece.high
        own = [regime for rate, regime in trials if rate == piece.lr]
        assert piece.trials == len(own)
        assert piece.agreeing == own.count(piece.regime) == max(map(own.count, own))
    assert sum(piece.trials for piece in pieces) == len(trials)


def test_of_equals_the_worse_is_shown_and_nothing_tried_has_no_piece() -> None:
    (piece,) = cut_pieces([(1.0, Regime.HEALTHY), (1.0, Regime.COMPLETE)], (0.1, 10.0))
    assert piece.regime is Regime.COMPLETE
    assert cut_pieces([], (0.1, 10.0)) == ()


@pytest.mark.parametrize("study", [make_small_study(), make_study((LR_AXIS, KIND_AXIS))])
def test_every_slice_is_a_whole_column_or_row(study: object) -> None:
    assert isinstance(study, type(make_small_study()))
    collapse_map = build_map(study, make_records(study))
    charts = chart_phases(collapse_map, lay_out(collapse_map))
    bars = [trace for chart in charts for trace in chart["traces"] if trace["type"] == "bar"]
    is_upright = bars[0]["orientation"] == "v"
    pieces = [
        (name, base, base + length)
        for trace in bars
        for name, base, length in zip(
            trace["x" if is_upright else "y"],
            trace["base"],
            trace["y" if is_upright else "x"],
            strict=True,
        )
    ]
    assert min(base for _, base, _ in pieces) == pytest.approx(0.01)
    assert max(end for _, _, end in pieces) == pytest.approx(100.0)
    assert len({name for name, _, _ in pieces}) == 3
    assert {trace["marker"]["pattern"]["shape"] for trace in bars} > {"", "x"}
