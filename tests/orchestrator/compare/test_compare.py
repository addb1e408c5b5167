"""Comparisons: known differences are found, what is not paired is refused and named."""

import json
from pathlib import Path

import numpy as np
import pytest
from numpy.random import default_rng
from scipy import stats
from typer.testing import CliRunner

from orchestrator.cli_compare import app
from orchestrator.command_compare import compare_studies
from orchestrator.compare.compare import Comparison, Direction, weigh_pair
from orchestrator.compare.reading import PairReading
from orchestrator.errors import CompareError, NotPairedError
from orchestrator.paired import Floats, bound_mean
from orchestrator.record import TrialRecord
from tests.orchestrator.claims.laboratory import (
    PROVENANCE,
    Truth,
    fill,
    make_outcome,
    make_study,
)
from tests.orchestrator.test_rerun import PLAIN, train_all
from trainer.collapse.regime import Regime

STUDIES, SEEDS = 1000, 10
CRITICAL = {"infonce": 0.5, "clop": 5.0}


def kind_of(record: TrialRecord) -> str:
    return str(record.proposal.point["objective.kind"])


def score(record: TrialRecord) -> dict[str, float]:
    """Accuracy: clop is 0.02 better on average, seeds differ by more than that."""
    seed = record.proposal.replicate
    own = default_rng((seed, len(kind_of(record)))).normal(0, 0.005)
    gain = 0.02 if kind_of(record) == "clop" else 0.0
    return {"knn_accuracy": 0.7 + 0.03 * np.sin(seed) + gain + own}


def collapse(record: TrialRecord) -> dict[str, float] | Regime:
    return Regime.COMPLETE if record.settings.lr > CRITICAL[kind_of(record)] else score(record)


@pytest.fixture
def lab(tmp_path: Path) -> Path:
    fill(make_study(f"seeds={SEEDS}"), tmp_path / "lab", score)
    return tmp_path


def compare(results: Path, *arms: str, measure: str = "knn_accuracy") -> list[Comparison]:
    return compare_studies(arms, [measure], results, 0.8, None)


def test_a_known_difference_is_found_with_its_interval_test_and_effect(lab: Path) -> None:
    (found,) = compare(lab, "lab:kind=infonce", ":kind=clop")
    differences = np.subtract(found.reading.second, found.reading.first)
    assert found.difference == pytest.approx(differences.mean())
    assert found.low is not None
    assert found.high is not None
    assert found.low < 0.02 < found.high
    assert found.direction is Direction.HIGHER
    assert found.p == 2 / 2**SEEDS
    assert found.p_sign == pytest.approx(stats.binomtest(SEEDS, SEEDS).pvalue)
    assert found.effect == pytest.approx(stats.ttest_1samp(differences, 0).statistic / SEEDS**0.5)
    assert (found.above, found.below, found.reading.cells) == (SEEDS, 0, 6)


def test_swapped_arms_are_mirrored(lab: Path) -> None:
    (one,) = compare(lab, "lab:kind=infonce,temperature=0.1", ":kind=clop,temperature=0.1")
    (other,) = compare(lab, "lab:kind=clop,temperature=0.1", ":kind=infonce,temperature=0.1")
    assert other.difference == pytest.approx(-one.difference)
    assert (other.p, other.direction) == (one.p, Direction.LOWER)


def test_critical_learning_rates_differ_by_decades_and_free_axes_are_averaged(
    tmp_path: Path,
) -> None:
    fill(make_study("seeds=6"), tmp_path / "lab", collapse)
    (found,) = compare(tmp_path, "lab:kind=infonce", "lab:kind=clop", measure="critical_lr")
    assert found.difference == pytest.approx(1.0)
    assert (found.effect, found.seeds_needed, found.reading.cells) == (None, None, 2)


def test_holm_runs_over_all_that_is_shown(lab: Path) -> None:
    both = compare_studies(
        ["lab:lr=0.1,kind=infonce", ":lr=0.1,kind=clop", ":lr=1,kind=clop"],
        ["knn_accuracy"],
        lab,
        0.8,
        None,
    )
    assert sorted(one.p for one in both) == [both[0].p] * 2, "as far from 0 as ten seeds can be"
    assert [one.p_holm for one in both] == [2 * one.p for one in both]
    (alone,) = compare(lab, "lab:lr=0.1,kind=infonce", ":lr=0.1,kind=clop")
    assert alone.p_holm == alone.p == both[0].p


def test_studies_of_one_name_in_two_folders_are_paired(tmp_path: Path) -> None:
    fill(make_study("seeds=5", "objective.kind=clop"), tmp_path / "a" / "lab", _flat(0.5))
    fill(make_study("seeds=5", "objective.kind=infonce"), tmp_path / "b" / "lab", _flat(0.6))
    (found,) = compare(tmp_path, str(tmp_path / "a/lab"), str(tmp_path / "b/lab"))
    assert found.difference == pytest.approx(0.1)


def test_a_study_that_takes_anothers_seeds_is_paired_with_it_and_others_are_told_how(
    tmp_path: Path,
) -> None:
    fill(make_study("seeds=5"), tmp_path / "lab", _flat(0.5))
    taking = make_study("seeds=5", "study=other", "seeds_from=lab")
    fill(taking, tmp_path / "other", _flat(0.6))
    fill(make_study("seeds=5", "study=third", "seeds_from=other"), tmp_path / "third", _flat(0.7))
    (found,) = compare(tmp_path, "lab", "other")
    assert found.difference == pytest.approx(0.1)
    with pytest.raises(NotPairedError, match=r"two studies of one seed .* 'seeds_from: lab'"):
        compare(tmp_path, "lab", "third")


def test_two_really_trained_studies_of_one_origin_start_equal_and_are_compared(
    tmp_path: Path,
) -> None:
    narrow = PLAIN.replace("norm: [none, batch]", "norm: none").replace("1.0e+20", "0.2")
    text = narrow.replace("seeds: 2", "seeds: 5").replace("kind: infonce", "kind: KIND")
    first = train_all(tmp_path, text.replace("KIND", "infonce"))
    other = text.replace("study: small", "study: other\nseeds_from: small")
    second = train_all(tmp_path, other.replace("KIND", "dcl"))
    for ledger in (first, second):
        ledger.set_provenance(PROVENANCE)
    starts = [
        [r.outcome.initial["effective_rank"] for r in ledger.records() if r.outcome]
        for ledger in (first, second)
    ]
    assert starts[0] == starts[1]
    assert len(set(starts[0])) == 5
    (found,) = compare(tmp_path, "small", "other")
    scores = [
        [r.outcome.measures["knn_accuracy"] for r in ledger.records() if r.outcome]
        for ledger in (first, second)
    ]
    assert found.difference == pytest.approx(float(np.mean(scores[1]) - np.mean(scores[0])))
    unpaired = train_all(tmp_path, text.replace("KIND", "dcl").replace("small", "third"))
    unpaired.set_provenance(PROVENANCE)
    with pytest.raises(NotPairedError, match="seeds_from: small"):
        compare(tmp_path, "small", "third")


def _flat(value: float) -> Truth:
    return lambda _: {"knn_accuracy": value}


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("study=other", "seeds derive from different names"),
        ("seed=1", "seeds derive from different names"),
        ("model.hidden=[16]", r"differ in model.hidden: \[8\] and \[16\]"),
        ("train.batch_size=64", "differ in train.batch_size: 32 and 64"),
        ("data.limit=500", "differ in data.limit: None and 500"),
        ("collapse.below=3.0", "differ in collapse.below: 2.0 and 3.0"),
        ("temperature=0.1", None),
    ],
)
def test_what_is_not_paired_is_refused_and_named(
    override: str, said: str | None, tmp_path: Path
) -> None:
    if said is None:
        override, said = "objective.temperature=[0.1, 0.5]", "has no trial at"
    fill(make_study(), tmp_path / "a", _flat(0.5))
    fill(make_study(override), tmp_path / "b", _flat(0.5))
    with pytest.raises(CompareError, match=said):
        compare(tmp_path, "a", "b")


def test_other_data_are_told_by_the_rank_before_the_first_step(tmp_path: Path) -> None:
    for name, rank in (("a", 1.3), ("b", 1.4)):
        ledger = fill(make_study("lr=0.1"), tmp_path / name, lambda _: None)
        for record in ledger.records():
            outcome = make_outcome(record.key, {"knn_accuracy": 0.5})
            ledger.tell(outcome.model_copy(update={"initial": {"effective_rank": rank}}))
    with pytest.raises(NotPairedError, match=r"seed 0 their effective ranks are 1.3 and 1.4"):
        compare(tmp_path, "a", "b")


@pytest.mark.parametrize(
    ("arms", "said"),
    [
        (["lab:kind=clop", ":kind=clop"], "are the same trials"),
        (["lab:kind=dcl", "lab"], "no trial at objective.kind=dcl; tried: clop, infonce"),
        (["lab:tempo=1", "lab"], "tempo is no axis of study lab"),
        (["lab:kind", "lab"], "expected STUDY or STUDY:AXIS=VALUE"),
        (["lab"], "expected two arms or more, got 1"),
    ],
)
def test_arms_that_are_none_are_refused(arms: list[str], said: str, lab: Path) -> None:
    with pytest.raises(CompareError, match=said):
        compare(lab, *arms)


def test_the_command_prints_a_table_or_json_and_refuses_with_exit_code_2(lab: Path) -> None:
    run = CliRunner().invoke
    common = ["lab:kind=infonce", ":kind=clop", "--results", str(lab), "-m", "knn_accuracy"]
    shown = run(app, common)
    assert shown.exit_code == 0
    assert "higher" in shown.output
    (content,) = json.loads(run(app, [*common, "--json"]).output)
    assert content["direction"] == "higher"
    assert len(content["reading"]["first"]) == SEEDS
    assert run(app, ["absent", "lab", "--results", str(lab)]).exit_code == 2
    assert run(app, [*common, "-m", "effective_rank", "--difference", "1"]).exit_code == 2


def _weigh(first: Floats, second: Floats) -> Comparison:
    seeds = tuple(range(len(first)))
    return weigh_pair(PairReading("x", seeds, tuple(first), tuple(second), 0, 1))


def test_intervals_hold_the_truth_in_93_to_97_of_100_simulated_studies() -> None:
    draw = default_rng(5)
    level_SN = draw.normal(0.0, 0.3, (STUDIES, SEEDS))  # what seeds share cancels
    first_SN, second_SN = (level_SN + draw.normal(m, 0.1, level_SN.shape) for m in (0.0, 0.25))
    interval = bound_mean(second_SN - first_SN, resamples=1999)
    assert 0.93 <= np.mean((interval.low_S <= 0.25) & (interval.high_S >= 0.25)) <= 0.97
    one = _weigh(first_SN[0], second_SN[0])
    alone = bound_mean(second_SN[0] - first_SN[0])
    assert (one.low, one.high) == (float(alone.low_S), float(alone.high_S))


def test_equal_arms_are_called_different_in_at_most_5_of_100_studies() -> None:
    draw = default_rng(6)
    first_SN, second_SN = draw.normal(size=(2, STUDIES, SEEDS))
    wrong = [
        _weigh(a, b).direction is not Direction.UNDECIDED
        for a, b in zip(first_SN, second_SN, strict=True)
    ]
    assert np.mean(wrong) <= 0.05
