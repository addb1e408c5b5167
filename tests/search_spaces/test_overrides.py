"""``--set path=value``: applied before validation, recorded, and named by its errors."""

import pytest

from search_spaces.axis import ChoiceAxis, RangeAxis
from tests.search_spaces.sample import KINDS, SAMPLE, complaint_of, parse, sample_with


def test_a_value_replaces_all_that_stood_at_its_path() -> None:
    changed = parse(SAMPLE, "objective.temperature=0.5", "lr={low: 1, high: 4, log: true}")
    assert dict(changed.fixed)["objective.temperature"] == 0.5
    assert changed.lr_axis == RangeAxis("lr", 1.0, 4.0, log=True)


def test_a_part_of_a_range_can_be_set_alone() -> None:
    changed = parse(SAMPLE, "lr.low=1e-3")
    assert changed.lr_axis == RangeAxis("lr", 0.001, 10.0, log=True)


def test_missing_parts_above_a_path_are_made() -> None:
    changed = parse(SAMPLE, "data.augment.noise_std=[0, 0.5]", "collapse.below=3")
    assert changed.axes[0] == ChoiceAxis("data.augment.noise_std", (0.0, 0.5))
    assert changed.collapse.below == 3.0


def test_the_last_of_two_overrides_counts() -> None:
    assert parse(SAMPLE, "seeds=5", "seeds=7").replicates == 7


def test_an_override_is_the_same_study_as_the_file_edited() -> None:
    overridden = parse(SAMPLE, "train.steps=20")
    edited = parse(sample_with("steps: 10", "steps: 20"))
    assert overridden == edited
    assert overridden.digest == edited.digest != parse().digest


def test_the_text_and_the_overrides_are_kept_as_given_and_repeat_the_study() -> None:
    overrides = ("train.steps=20", "objective.kind=clop")
    study = parse(SAMPLE, *overrides)
    assert (study.source_text, study.overrides) == (SAMPLE, overrides)
    assert parse(study.source_text, *study.overrides) == study


def test_an_override_can_repair_the_file() -> None:
    broken = sample_with("lr: {low: 1e-2, high: 10, log: true}", "lr: fast")
    assert parse(broken, "lr={low: 1e-2, high: 10, log: true}") == parse()


@pytest.mark.parametrize(
    ("override", "message"),
    [
        (
            "objective.temperature=1e-9",
            "--set objective.temperature=1e-9: objective.temperature: "
            "expected a value of at least 0.005, got 1e-09",
        ),
        (
            "budgt.trials=3",
            "--set budgt.trials=3: budgt: unknown key; known keys: align, budget, collapse, data, "
            "evaluate, lr, model, objective, optimise, planner, prior, pruner, question, seed, "
            "seeds, seeds_from, study, train; did you mean budget?",
        ),
        (
            "train.momentm=0",
            "--set train.momentm=0: train.momentm: unknown key; known keys: "
            "batch_size, checkpoint_activations, clip_norm, micro_batch_size, momentum, nesterov, "
            "optimizer, precision, schedule, split, steps, warmup_steps, weight_decay; did you "
            "mean momentum?",
        ),
        ("lr", "--set: expected path=value, got 'lr'; for example --set lr=0.1"),
        ("=3", "--set: expected path=value, got '=3'; for example --set lr=0.1"),
        ("a..b=1", "--set: expected path=value, got 'a..b=1'; for example --set lr=0.1"),
        ("lr=", "--set lr=: lr: expected a number, got nothing"),
        (
            "lr=[1",
            "--set lr=[1: not valid YAML: expected ',' or ']', but got '<stream end>' "
            "(while parsing a flow sequence)",
        ),
        (
            "lr={low: 1, low: 2, high: 3, log: true}",
            "--set lr={low: 1, low: 2, high: 3, log: true}: lr.low: duplicate key, first given "
            "before; keep one of the two",
        ),
        (
            "seeds.x=3",
            "--set seeds.x=3: seeds: cannot set a part of seeds, which is 2; "
            "set all of it: seeds=...",
        ),
        (
            "lr.low=20",
            "--set lr.low=20: lr.low: expected low below high, got low 20.0 and high 10.0",
        ),
        (
            "data.source=cifar",
            "--set data.source=cifar: data.source: expected one of digits, glyphs, "
            "fashion_mnist, cifar10, cifar100, image_folder, general_midi, tuxpaint, audiocaps, "
            "clotho, esc50, esc10, urbansound8k, manifest; got 'cifar'; did you mean cifar10?",
        ),
        (
            "objective.kind=[supcn, clop]",
            "--set objective.kind=[supcn, clop]: objective.kind: unknown kind 'supcn'; "
            f"known kinds: {KINDS}; did you mean supcon?",
        ),
    ],
)
def test_a_bad_override_is_one_line_that_names_it(override: str, message: str) -> None:
    assert complaint_of(SAMPLE, override) == message


def test_mistakes_of_the_file_come_before_those_of_overrides() -> None:
    lines = complaint_of(sample_with("seeds: 2", "seeds: 0"), "seed=-1").splitlines()
    assert lines == [
        "s.yaml:11: seeds: expected a value of at least 1, got 0",
        "--set seed=-1: seed: expected a value of at least 0, got -1",
    ]
