"""What contrasts read off trials: arms, means over free axes, slopes, thresholds, lost seeds."""

import math
from pathlib import Path

import pytest

from orchestrator.claims.readings import measure_outcome, read_contrast
from orchestrator.record import TrialRecord
from search_spaces.claim import Contrast
from tests.orchestrator.claims.laboratory import Truth, fill, make_outcome, make_study
from trainer.cohort import History
from trainer.collapse.regime import Regime

KIND, TAU = "objective.kind", "objective.temperature"


def where(record: TrialRecord) -> tuple[str, float, float, int]:
    at = record.proposal.point
    tau, lr = at[TAU], at["lr"]
    assert isinstance(tau, float)
    assert isinstance(lr, float)
    return str(at[KIND]), tau, lr, record.proposal.replicate


def contrast(**content: object) -> Contrast:
    given = {"label": "c", "measure": "knn_accuracy", "expect": "above", **content}
    return Contrast.model_validate(given)


def accuracy(record: TrialRecord) -> dict[str, float]:
    """CLOP is better by 0.1 a seed; a decade of temperature gives 0.01, of learning rate 0.001."""
    kind, tau, lr, replicate = where(record)
    gain = 0.1 * replicate if kind == "clop" else 0.0
    return {"knn_accuracy": 0.5 + gain + 0.01 * math.log10(tau) + 0.001 * math.log10(lr)}


def test_a_difference_is_paired_seed_by_seed_and_averages_over_what_is_free(
    tmp_path: Path,
) -> None:
    study = make_study()
    records = fill(study, tmp_path, accuracy).records()
    read = read_contrast(contrast(of={KIND: "clop"}, minus={KIND: "infonce"}), study, records)
    assert read.seeds == (0, 1, 2)
    assert read.values == pytest.approx((0.0, 0.1, 0.2))
    assert [arm.label for arm in read.arms] == ["clop", "infonce"]
    assert read.arms[1].by_replicate[0] == pytest.approx(0.5 - 0.005)


def test_an_arm_can_name_more_than_one_axis(tmp_path: Path) -> None:
    study = make_study()
    records = fill(study, tmp_path, accuracy).records()
    arms = {"of": {KIND: "clop", "lr": 10.0}, "minus": {KIND: "clop", "lr": 0.1}}
    read = read_contrast(contrast(**arms), study, records)
    assert read.values == pytest.approx((0.002,) * 3)
    assert [arm.label for arm in read.arms] == ["10.0", "0.1"]


def test_a_slope_is_per_decade_or_per_unit_and_a_level_is_itself(tmp_path: Path) -> None:
    study = make_study()
    records = fill(study, tmp_path, accuracy).records()
    slope = read_contrast(contrast(of={KIND: "infonce"}, along=TAU), study, records)
    assert slope.values == pytest.approx((0.01,) * 3)
    assert [arm.at for arm in slope.arms] == [0.1, 1.0]
    plain = read_contrast(contrast(along=TAU, log=False), study, records)
    assert plain.values == pytest.approx((0.01 / 0.9,) * 3)
    level = read_contrast(contrast(of={KIND: "infonce"}), study, records)
    assert level.values == pytest.approx((0.495,) * 3)


def test_a_seed_with_a_missing_trial_counts_in_no_arm(tmp_path: Path) -> None:
    def truth(record: TrialRecord) -> dict[str, float] | None:
        return None if where(record) == ("clop", 1.0, 10.0, 1) else accuracy(record)

    study = make_study()
    records = fill(study, tmp_path, truth).records()
    read = read_contrast(contrast(of={KIND: "clop"}, minus={KIND: "infonce"}), study, records)
    assert (read.seeds, read.dropped) == ((0, 2), 1)
    assert read.values == pytest.approx((0.0, 0.2))


def test_a_diverged_trial_has_accuracy_zero_and_no_loss() -> None:
    outcome = make_outcome("t", Regime.DIVERGED)
    assert measure_outcome("knn_accuracy", outcome) == 0.0
    assert measure_outcome("cka_features", outcome) == 0.0
    assert measure_outcome("train_loss", outcome) is None
    assert measure_outcome("cka_features", make_outcome("t", Regime.COMPLETE)) is None


LR_RANGE = "lr={low: 1.0e-2, high: 100, log: true, points: 17}"


def collapse_above(threshold: float) -> Truth:
    """InfoNCE collapses above ``threshold`` times its temperature, CLOP never."""

    def truth(record: TrialRecord) -> dict[str, float] | Regime:
        kind, tau, lr, _ = where(record)
        return Regime.COMPLETE if kind == "infonce" and lr > threshold * tau else {"x": 1.0}

    return truth


@pytest.mark.parametrize("question", ["grid", "boundary"])
def test_a_threshold_is_read_off_each_seeds_bracket_and_censored_at_the_range(
    question: str, tmp_path: Path
) -> None:
    study = make_study(LR_RANGE, f"question={question}", "budget.band_decades=0.3")
    records = fill(study, tmp_path, collapse_above(2.0)).records()
    slope = read_contrast(
        contrast(measure="critical_lr", of={KIND: "infonce"}, along=TAU), study, records
    )
    assert slope.values == pytest.approx((1.0,) * 3, abs=0.26)
    assert slope.arms[1].by_replicate[0] == pytest.approx(math.log10(2.0), abs=0.13)
    ratio = contrast(measure="critical_lr_over_temperature", of={KIND: "infonce"})
    assert read_contrast(ratio, study, records).values == pytest.approx((0.3,) * 3, abs=0.13)
    gap = contrast(measure="critical_lr", of={KIND: "clop"}, minus={KIND: "infonce"})
    read = read_contrast(gap, study, records)
    assert [(arm.censored, arm.thresholds) for arm in read.arms] == [(6, 6), (0, 6)]
    assert read.arms[0].by_replicate == {0: 2.0, 1: 2.0, 2: 2.0}


def test_where_all_collapses_the_threshold_is_the_low_end(tmp_path: Path) -> None:
    study = make_study(LR_RANGE)
    records = fill(study, tmp_path, collapse_above(1e-9)).records()
    level = contrast(measure="critical_lr", of={KIND: "infonce"})
    read = read_contrast(level, study, records)
    assert read.values == pytest.approx((-2.0,) * 3)
    assert read.arms[0].censored == 6


def test_growth_and_angles_are_derived_from_the_coupling() -> None:
    steps = (0, 10, 20, 30, 40)
    coupling = History(steps=steps, values={"weight_gap": (0.0, 0.1, 0.2, 0.3, 0.4)})
    outcome = make_outcome("t", {"weight_gap": 1.0, "cka_features": 0.5}, coupling)
    assert measure_outcome("weight_gap_growth", outcome) == pytest.approx(0.3)
    # A gap of 1 is a chord of 60 degrees; arccos(0.5) is 60 degrees too.
    assert measure_outcome("angle_excess", outcome) == pytest.approx(0.0, abs=1e-9)
    assert measure_outcome("angle_excess", make_outcome("t", {"knn_accuracy": 1.0})) is None
    alike = make_outcome("t", {"cka_features": 0.9, "cka_features_unshared": 0.6})
    assert measure_outcome("cka_shared_excess", alike) == pytest.approx(0.3)
    assert measure_outcome("cka_shared_excess", outcome) is None
    assert measure_outcome("weight_gap_growth", make_outcome("t", {})) is None
