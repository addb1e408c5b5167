"""``evaluate`` and ``align.unshared``: of the whole study, and what asks for them is checked."""

import pytest

from tests.search_spaces.sample import complaint_of, parse
from trainer.settings import EvaluateSettings

TEXT = """\
study: evaluated
question: optimise
data: {source: digits}
model: {encoder: conv, hidden: [8], embed_dim: 16, norm: [batch, group]}
objective: {kind: [cl, nscl]}
lr: {low: 0.01, high: 1, log: true}
optimise: {metric: probe_accuracy, direction: maximize}
evaluate: {linear_probe: true}
budget: {trials: 10}
"""
ALIGNED = """\
study: aligned
question: grid
data: {source: digits}
model: {encoder: mlp, hidden: [16], embed_dim: 16}
objective: {kind: [cl, nscl]}
lr: [0.01, 0.1]
align: {reference: cl, unshared: true}
budget: {trials: 40}
"""


def test_every_trial_of_a_study_is_evaluated_alike() -> None:
    study = parse(TEXT)
    for point in study.slices():
        settings = study.settings_at(point.replace("lr", 0.1))
        assert settings.evaluate == study.evaluate == EvaluateSettings(linear_probe=True)


def test_what_is_evaluated_is_of_the_digest_but_not_where_nothing_is_asked_for() -> None:
    plain = TEXT.replace("metric: probe_accuracy", "metric: knn_accuracy")
    without = plain.replace("evaluate: {linear_probe: true}\n", "")
    assert parse(plain).digest != parse(without).digest
    said = without + "evaluate: {linear_probe: false, train_images: 5000}\n"
    assert parse(said).digest == parse(without).digest


@pytest.mark.parametrize(
    ("metric", "example"),
    [
        ("nccc_accuracy", "{nccc: true}"),
        ("cdnv_features", "{cdnv: true}"),
        ("few_shot_accuracy_projection", "{few_shot: 5, projection: true}"),
    ],
)
def test_what_is_optimised_must_be_measured(metric: str, example: str) -> None:
    assert complaint_of(TEXT.replace("probe_accuracy", metric)) == (
        f"s.yaml:7: optimise.metric: {metric} is not measured; add evaluate: {example}, or take "
        "another metric"
    )


def test_the_control_of_unshared_replicates_needs_two() -> None:
    assert complaint_of(ALIGNED + "seeds: 1\n") == (
        "s.yaml:7: align.unshared: compares replicates, but there is one; add seeds: 2 or more, "
        "or leave it out"
    )


def test_the_control_is_of_the_digest_only_where_it_is_asked_for() -> None:
    off, silent = (ALIGNED.replace(", unshared: true", end) for end in (", unshared: false", ""))
    assert parse(off).digest == parse(silent).digest != parse(ALIGNED).digest
