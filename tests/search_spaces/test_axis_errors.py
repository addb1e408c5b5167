"""Axes that cannot be, and parts of a study that do not fit together, each in one line."""

import pytest

from tests.search_spaces.sample import KINDS_IN_ORDER, complaint_of, sample_with

LR = "lr: {low: 1e-2, high: 10, log: true}"
NEEDS_LOG_RANGE = (
    "s.yaml:10: lr: question: boundary needs a logarithmic range, "
    "e.g. lr: {low: 1e-3, high: 30, log: true}"
)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "batch_size: 64",
            "batch_size: []",
            "s.yaml:5: train.batch_size: the list is empty; give at least one value, "
            "or leave the key out",
        ),
        (
            "batch_size: 64",
            "batch_size: [64, 32, 64]",
            "s.yaml:5: train.batch_size: duplicate value 64 in the list; give it once",
        ),
        (
            "lambda: 1.0",
            "lambda: [1, 1.0]",
            "s.yaml:9: objective.lambda: duplicate value 1.0 in the list; give it once",
        ),
        (
            "lambda: 1.0",
            "lambda: [1, true]",
            "s.yaml:9: objective.lambda: expected a number, got true",
        ),
        (
            "batch_size: 64",
            "batch_size: [64, [32]]",
            "s.yaml:5: train.batch_size: expected plain values in the list, got a list",
        ),
        (
            "batch_size: 64",
            "batch_size: {low: 16, high: 64}",
            "s.yaml:5: train.batch_size: takes whole numbers, which cannot be a range; "
            "list them, e.g. [64, 128, 256]",
        ),
        (
            "embed_dim: 16",
            "embed_dim: 16, norm: {low: 1, high: 2}",
            "s.yaml:4: model.norm: expected one of batch, group, layer, none, or a list of them; "
            "got a mapping",
        ),
        (
            "embed_dim: 16",
            "embed_dim: 16, norm: [none, bach]",
            "s.yaml:4: model.norm: expected one of batch, group, layer, none; got 'bach'; "
            "did you mean batch?",
        ),
        (
            "[infonce, clop]",
            "[clop, clop]",
            "s.yaml:7: objective.kind: duplicate value 'clop' in the list; give it once",
        ),
        (
            "[infonce, clop]",
            "[]",
            "s.yaml:7: objective.kind: the list is empty; give at least one value, "
            "or leave the key out",
        ),
        (
            "[infonce, clop]",
            "{low: 1, high: 2}",
            f"s.yaml:7: objective.kind: expected one of {KINDS_IN_ORDER}, "
            "or a list of them; got a mapping",
        ),
        (
            "lambda: 1.0",
            "lambda: {low: 2, high: 1}",
            "s.yaml:9: objective.lambda.low: expected low below high, got low 2.0 and high 1.0",
        ),
        (
            "lambda: 1.0",
            "lambda: {low: 1, high: 1}",
            "s.yaml:9: objective.lambda.low: expected low below high, got low 1.0 and high 1.0",
        ),
        (
            "lambda: 1.0",
            "lambda: {low: 0, high: 1, log: true}",
            "s.yaml:9: objective.lambda.low: expected a value above 0 because of log: true, "
            "got 0.0",
        ),
        (
            "lambda: 1.0",
            "lambda: {low: 1, hgh: 2}",
            "s.yaml:9: objective.lambda.hgh: unknown key; known keys: high, log, low, points; "
            "did you mean high?",
        ),
        (
            "lambda: 1.0",
            "lambda: {low: 1}",
            "s.yaml:9: objective.lambda.high: missing; add this key",
        ),
        (
            "lambda: 1.0",
            "lambda: {low: 1, high: 2, points: 1}",
            "s.yaml:9: objective.lambda.points: expected a value of at least 2, got 1",
        ),
        (
            "lambda: 1.0",
            "lambda: {low: 1, high: .inf}",
            "s.yaml:9: objective.lambda.high: expected a finite number, got inf",
        ),
        (
            "lambda: 1.0",
            "lambda: {low: 1, high: 1e4}",
            "s.yaml:9: objective.lambda.high: expected a value of at most 1000, got 10000.0",
        ),
        (
            "low: 1e-2",
            "low: 0",
            "s.yaml:10: lr.low: expected a value above 0 because of log: true, got 0.0",
        ),
    ],
)
def test_an_impossible_axis_is_one_line(old: str, new: str, message: str) -> None:
    assert complaint_of(sample_with(old, new)) == message


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (LR, "lr: 0.1", NEEDS_LOG_RANGE),
        (LR, "lr: [0.1, 1]", NEEDS_LOG_RANGE),
        (LR, "lr: {low: 0.1, high: 1}", NEEDS_LOG_RANGE),
        (
            "seeds: 2",
            "planner: tpe",
            "s.yaml:11: planner: tpe answers question: optimise only; for question: boundary "
            "choose one of surface, bisect, grid, qmc",
        ),
        (
            "question: boundary",
            "question: grid\nplanner: bisect",
            "s.yaml:3: planner: bisect answers question: boundary only; for question: grid "
            "choose one of grid, qmc",
        ),
        (
            "question: boundary",
            "question: optimise",
            "s.yaml:2: optimise: missing; question: optimise needs it, e.g. "
            "optimise: {metric: knn_accuracy, direction: maximize}",
        ),
        (
            "seeds: 2",
            "optimise: {metric: knn_accuracy, direction: maximize}",
            "s.yaml:11: optimise: only question: optimise uses it, and this is "
            "question: boundary; leave it out or change the question",
        ),
        (
            "embed_dim: 16",
            "embed_dim: 8",
            "s.yaml:7: objective.kind: 10 orthonormal prototypes need an embedding dimension of "
            "at least 10, but it is 8: raise model.embed_dim or choose prototypes: random",
        ),
        (
            "embed_dim: 16",
            "embed_dim: [16, 8]",
            "s.yaml:7: objective.kind: 10 orthonormal prototypes need an embedding dimension of "
            "at least 10, but it is 8: raise model.embed_dim or choose prototypes: random",
        ),
        (
            "batch_size: 64",
            "batch_size: [64, 2048]",
            "s.yaml:5: train.batch_size: expected at most 1257, the images that digits has for "
            "training, got 2048",
        ),
        (
            "lambda: 1.0",
            "lambda: {low: 1, high: 2, points: 1000}\n"
            "  label_fraction: {low: 0, high: 1, points: 40}",
            "s.yaml:1: its lists and ranges make 120003 combinations beside lr, more than 100000; "
            "shorten lists, or give ranges fewer points",
        ),
        (
            "source: digits",
            "source: digits, test_fraction: 0.001",
            "s.yaml:3: data.test_fraction: leaves 1795 images to train and 2 to test; both need "
            "at least one of each of the 10 classes",
        ),
    ],
)
def test_parts_that_do_not_fit_together_are_one_line(old: str, new: str, message: str) -> None:
    assert complaint_of(sample_with(old, new)) == message
