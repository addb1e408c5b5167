"""trials.csv and trials.parquet: the same table, a row a trial, sorted by key."""

from dataclasses import replace
from io import BytesIO

import pandas as pd
import pytest

from orchestrator.record import TrialState
from orchestrator.report.tables import tabulate_trials, to_csv, to_parquet
from search_spaces.axis import ChoiceAxis
from tests.orchestrator.report.builder import (
    LR_AXIS,
    make_record,
    make_records,
    make_small_study,
    make_study,
    without_outcome,
)

STUDY = make_small_study()
RECORDS = make_records(STUDY)
RECORDS[0] = without_outcome(RECORDS[0], TrialState.MISSING)
RECORDS[1] = without_outcome(RECORDS[1], TrialState.PENDING)
TABLE = tabulate_trials(STUDY, RECORDS)


def test_csv_and_parquet_hold_the_same_numbers() -> None:
    from_csv = pd.read_csv(BytesIO(to_csv(TABLE)), dtype=dict(TABLE.dtypes), keep_default_na=True)
    from_parquet = pd.read_parquet(BytesIO(to_parquet(TABLE)))
    pd.testing.assert_frame_equal(from_csv, from_parquet)
    pd.testing.assert_frame_equal(from_parquet, TABLE)


def test_rows_are_sorted_by_key_whatever_the_order_of_the_records() -> None:
    assert list(TABLE["trial"]) == sorted(record.key for record in RECORDS)
    assert to_csv(tabulate_trials(STUDY, RECORDS[::-1])) == to_csv(TABLE)


def test_every_axis_and_measure_is_a_column() -> None:
    assert {axis.path for axis in STUDY.axes} <= set(TABLE.columns)
    assert {"final.effective_rank", "initial.knn_accuracy", "seconds"} <= set(TABLE.columns)
    assert not TABLE.columns.duplicated().any()


def test_each_row_says_what_its_record_says() -> None:
    rows = TABLE.set_index("trial")
    for record in RECORDS[2:]:
        assert record.outcome is not None
        row = rows.loc[record.key]
        assert row["score"] == record.outcome.score
        assert row["lr"] == record.settings.lr
        assert row["regime"] == record.outcome.regime.value
        assert row["objective.temperature"] == record.proposal.point["objective.temperature"]


@pytest.mark.parametrize("column", ["score", "regime", "steps_done", "final.effective_rank"])
def test_what_a_trial_has_not_is_empty_and_never_zero(column: str) -> None:
    rows = TABLE.set_index("trial")
    assert rows[column].isna()[RECORDS[0].key]
    assert rows.loc[RECORDS[0].key, "failure"] == "OutOfMemoryError: <b>12 GiB</b>"
    assert rows.loc[RECORDS[1].key, "state"] == "pending"


def test_a_pruned_trial_says_after_which_step() -> None:
    record = make_records(STUDY)[2]
    assert record.outcome is not None
    pruned = replace(record, outcome=record.outcome.model_copy(update={"pruned_at_step": 40}))
    table = tabulate_trials(STUDY, [record, pruned])
    assert table["pruned_at_step"].fillna(-1).tolist() == [-1, 40]


def test_an_empty_ledger_is_a_table_with_columns() -> None:
    empty = tabulate_trials(STUDY, [])
    assert len(empty) == 0
    assert {"trial", "lr", "score"} <= set(empty.columns)
    assert list(pd.read_parquet(BytesIO(to_parquet(empty))).columns) == list(empty.columns)


def test_an_axis_that_only_some_objectives_have_is_empty_for_the_others() -> None:
    axes = (
        LR_AXIS,
        ChoiceAxis("objective.kind", ("infonce", "clop")),
        ChoiceAxis("objective.lambda", (0.5, 1.0), frozenset({"clop"})),
    )
    study = make_study(axes)
    records = [make_record(study, point.replace("lr", 1.0), 0, 5.0) for point in study.slices()]
    column = tabulate_trials(study, records).set_index("trial")["objective.lambda"]
    assert sorted(column.dropna()) == [0.5, 1.0]
    assert column.isna().sum() == 1
