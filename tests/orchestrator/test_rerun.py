"""A trial trained again: equal to the ledger in every bit, compared field by field, drawn."""

from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from orchestrator.cli import app
from orchestrator.cohorts import group_cohorts
from orchestrator.embedding_method import Method
from orchestrator.errors import RerunError
from orchestrator.folder import StudyFolder
from orchestrator.ledger import Ledger
from orchestrator.planners.protocol import Proposal
from orchestrator.report.embedding_figure import lay_out, measure_spectrum
from orchestrator.rerun import Difference, rerun_trial
from search_spaces.load import parse_study
from search_spaces.study import Study
from trainer.cohort import Cohort, Outcome
from trainer.collapse.regime import Regime
from trainer.loop import train_cohort

PLAIN = """\
study: small
question: grid
data: {source: digits, limit: 200}
model: {encoder: mlp, hidden: [16], embed_dim: 8, norm: [none, batch]}
train: {batch_size: 32, steps: 6}
objective: {kind: infonce, temperature: 0.2}
lr: [0.1, 1.0e+20]
seeds: 2
collapse: {every_steps: 2}
evaluate: {few_shot: 2, cdnv: true, projection: true}
budget: {trials: 8}
"""
COUPLED = """\
study: small
question: grid
data: {source: digits, limit: 200}
model: {encoder: mlp, hidden: [16], embed_dim: 8}
train: {batch_size: 32, steps: 6}
objective: {kind: [cl, nscl], temperature: 0.2}
lr: [0.1]
seeds: 2
collapse: {every_steps: 2}
align: {reference: cl, unshared: true}
budget: {trials: 4}
"""


def train_all(results: Path, text: str) -> Ledger:
    """Return a finished study's ledger, its trials trained side by side."""
    study = parse_study(text, "small.yaml")
    folder = StudyFolder(results / study.name)
    folder.create()
    ledger = Ledger.open(folder.ledger, study)
    ledger.add_round(_everything(study))
    for cohort in group_cohorts(study, _everything(study)):
        for outcome in _train(cohort):
            ledger.tell(outcome)
    return ledger


def _everything(study: Study) -> list[Proposal]:
    rates = next(axis.grid() for axis in study.axes if axis.path == "lr")
    points = [point.replace("lr", lr) for point in study.slices() for lr in rates]
    return [Proposal(point, r) for point in points for r in range(study.replicates)]


def _train(cohort: Cohort) -> list[Outcome]:
    return train_cohort(cohort, device=torch.device("cpu"))


@pytest.mark.parametrize("text", [PLAIN, COUPLED])
def test_a_trial_alone_comes_out_as_it_did_among_others(text: str, tmp_path: Path) -> None:
    ledger = train_all(tmp_path, text)
    for record in ledger.records():
        again = rerun_trial(ledger, str(record.number))
        assert again.differences == []
        assert again.record == record
        assert record.outcome is not None
        is_diverged = record.outcome.regime is Regime.DIVERGED
        assert (again.embedded is None) == is_diverged
        if again.embedded is not None:
            assert again.embedded.projections_PD.shape[1] == 8
            assert again.embedded.features_PF.shape[1] == 16
    # The diverging rate of the plain study, the coupled measures of the other, were among them.
    found = {name for r in ledger.records() if r.outcome for name in r.outcome.measures}
    assert ("cka_features_unshared" in found) == (text == COUPLED)


def test_what_differs_is_named_with_both_values(tmp_path: Path) -> None:
    ledger = train_all(tmp_path / "true", PLAIN)
    record = ledger.records()[0]
    assert record.outcome is not None
    measures = record.outcome.measures | {"knn_accuracy": 0.123}
    wrong = record.outcome.model_copy(update={"measures": measures, "seconds": 99.0})
    folder = StudyFolder(tmp_path / "false" / "small")
    folder.create()
    other = Ledger.open(folder.ledger, ledger.study)
    other.add_round([record.proposal])
    other.tell(wrong)
    expected = Difference("measures.knn_accuracy", 0.123, record.outcome.measures["knn_accuracy"])
    assert rerun_trial(other, record.proposal.key).differences == [expected]
    words = ["rerun", "small", "0", "--results", str(tmp_path / "false")]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 1
    assert "1 fields differ" in " ".join(result.output.split())
    assert "0.123" in result.output


def test_the_command_line_says_equal_and_draws(tmp_path: Path) -> None:
    ledger = train_all(tmp_path, PLAIN)
    number = next(r.number for r in ledger.records() if r.outcome and r.outcome.measures)
    results, file = ("--results", str(tmp_path)), tmp_path / "picture.png"
    equal = CliRunner().invoke(app, ["rerun", "small", str(number), *results])
    assert equal.exit_code == 0, equal.output
    assert "equal to the ledger in every bit" in " ".join(equal.output.split())
    drawn = CliRunner().invoke(app, ["embed", "small", str(number), "--out", str(file), *results])
    assert drawn.exit_code == 0, drawn.output
    assert file.read_bytes().startswith(b"\x89PNG")
    first = file.read_bytes()
    CliRunner().invoke(app, ["embed", "small", str(number), "--out", str(file), *results])
    assert file.read_bytes() == first, "drawn from the same bits"


def test_what_cannot_be_drawn_or_found_is_one_clear_line(tmp_path: Path) -> None:
    ledger = train_all(tmp_path, PLAIN)
    diverged = next(r.number for r in ledger.records() if r.outcome and not r.outcome.measures)
    result = CliRunner().invoke(app, ["embed", "small", str(diverged), "--results", str(tmp_path)])
    assert result.exit_code == 2
    with pytest.raises(RerunError, match=r"no trial '99'; expected a number from 0 to 7"):
        rerun_trial(ledger, "99")


def test_a_pending_trial_has_nothing_to_be_compared_with(tmp_path: Path) -> None:
    study = parse_study(PLAIN, "small.yaml")
    ledger = Ledger.open(tmp_path / "ledger.journal", study)
    ledger.add_round(_everything(study))
    with pytest.raises(RerunError, match="trial 0 of study small has no outcome yet"):
        rerun_trial(ledger, "0")


def test_principal_components_are_those_of_a_singular_value_decomposition() -> None:
    rows = np.random.default_rng(0).normal(size=(40, 5)) * [5.0, 3.0, 1.0, 0.5, 0.1]
    left, values, _ = np.linalg.svd(rows - rows.mean(axis=0), full_matrices=False)
    found = lay_out(rows, Method.PCA)
    np.testing.assert_allclose(np.abs(found), np.abs(left[:, :2] * values[:2]), atol=1e-9)


def test_neighbours_stay_neighbours_in_t_sne_and_it_is_the_same_each_time() -> None:
    rng = np.random.default_rng(0)
    centres = np.eye(3)[np.repeat([0, 1, 2], 20)] * 20
    rows = centres + rng.normal(size=(60, 3))
    found = lay_out(rows, Method.TSNE)
    np.testing.assert_array_equal(found, lay_out(rows, Method.TSNE))
    clouds = found.reshape(3, 20, 2)
    spread = max(np.linalg.norm(cloud - cloud.mean(axis=0), axis=1).max() for cloud in clouds)
    middles = clouds.mean(axis=1)
    assert min(np.linalg.norm(middles[i] - middles[i - 1]) for i in range(3)) > spread


def test_a_spectrum_sums_to_one_and_ends_where_round_off_begins() -> None:
    rng = np.random.default_rng(0)
    flat = rng.normal(size=(50, 2)) @ rng.normal(size=(2, 6))
    values = measure_spectrum(flat)
    assert len(values) == 2
    assert values.sum() == pytest.approx(1.0)
    assert values[0] >= values[1]
