"""Every mistake in a study file is answered with file, line, field, and what to do."""

import pickle

import pytest

from search_spaces.errors import StudyContentError
from search_spaces.load import parse_study
from tests.search_spaces.sample import KINDS, SAMPLE, complaint_of, parse, sample_with

OBJECTIVE_KEYS = (
    "base, degrade_angle_degrees, kind, label_fraction, lambda, prototypes, similarity, "
    "temperature, temperature_mode"
)
TOP_LEVEL_KEYS = (
    "align, budget, collapse, data, evaluate, lr, model, objective, optimise, planner, prior, "
    "pruner, question, seed, seeds, seeds_from, study, train"
)
NAME_RULE = (
    "expected letters, digits, dashes and underscores, a letter or digit first, at most 80 "
    "(it names a folder)"
)
LR = "lr: {low: 1e-2, high: 10, log: true}"


def test_the_sample_itself_is_valid() -> None:
    assert parse().name == "small"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        # Unknown and missing keys
        (
            "temperature:",
            "temperatur:",
            f"s.yaml:8: objective.temperatur: unknown key; known keys: {OBJECTIVE_KEYS}; "
            "did you mean temperature?",
        ),
        (
            "lambda:",
            "lambda_:",
            f"s.yaml:9: objective.lambda_: unknown key; known keys: {OBJECTIVE_KEYS}; "
            "did you mean lambda?",
        ),
        (
            "seeds:",
            "sede:",
            f"s.yaml:11: sede: unknown key; known keys: {TOP_LEVEL_KEYS}; did you mean seed?",
        ),
        (
            "source: digits",
            "sourc: digits",
            "s.yaml:3: data.sourc: unknown key; known keys: augment, classes, colour, "
            "folder, image_size, imbalance, limit, source, split_seed, test_fraction; did you mean "
            "source?",
        ),
        (
            "source: digits",
            "source: digits, augment: {zzz: 1}",
            "s.yaml:3: data.augment.zzz: unknown key; known keys: blur, crop_low, drop_colour, "
            "flip, intensity, jitter, learned_on, magnitude, noise_std, operations, policy, scale, "
            "shift_pixels, views",
        ),
        (
            "trials: 40",
            "trails: 40",
            "s.yaml:12: budget.trails: unknown key; known keys: band_decades, seconds, "
            "trial_steps, trials; did you mean trials?",
        ),
        (
            "[infonce, clop]",
            "infonce",
            "s.yaml:9: objective.lambda: unknown key for infonce (clop has it); "
            "known keys: kind, temperature, temperature_mode",
        ),
        ("study: small\n", "", "s.yaml:1: study: missing; add this key"),
        ("data: {source: digits}\n", "", "s.yaml:1: data: missing; add this key"),
        ("data: {source: digits}", "data: {}", "s.yaml:3: data.source: missing; add this key"),
        ("budget: {trials: 40}\n", "", "s.yaml:1: budget: missing; add this key"),
        (f"{LR}\n", "", "s.yaml:1: lr: missing; add this key"),
        (
            "  kind: [infonce, clop]\n",
            "",
            f"s.yaml:6: objective.kind: missing; give one kind or a list; known kinds: {KINDS}",
        ),
        (
            "seeds: 2",
            "seeds: 2\nseeds: 3",
            "s.yaml:12: seeds: duplicate key, first given on line 11; keep one of the two",
        ),
        # Wrong shapes
        (
            "data: {source: digits}",
            "data:",
            "s.yaml:3: data: expected a mapping with keys of: source, test_fraction, split_seed, "
            "folder, image_size, colour, classes, limit, imbalance, augment; got nothing",
        ),
        (
            "budget: {trials: 40}",
            "budget: 40",
            "s.yaml:12: budget: expected a mapping with keys of: trials, trial_steps, seconds, "
            "band_decades; got 40",
        ),
        ("seeds: 2", "seeds: [1, 2]", "s.yaml:11: seeds: expected a whole number, got a list"),
        ("hidden: [16]", "hidden: 16", "s.yaml:4: model.hidden: expected a list, got 16"),
        ("hidden: [16]", "hidden: {}", "s.yaml:4: model.hidden: expected a list, got a mapping"),
        (
            "hidden: [16]",
            "hidden: [[16], [32]]",
            "s.yaml:4: model.hidden: an axis over lists is not supported yet; "
            "give one list of whole numbers",
        ),
        (
            "hidden: [16]",
            "hidden: []",
            "s.yaml:4: model.hidden: expected a list of at least 1, got an empty list",
        ),
        (
            "hidden: [16]",
            "hidden: [16, 2.5]",
            "s.yaml:4: model.hidden: expected a whole number, got 2.5",
        ),
        # Wrong types
        ("study: small", "study: 7", "s.yaml:1: study: expected text (put it in quotes), got 7"),
        (
            "embed_dim: 16",
            "embed_dim: true",
            "s.yaml:4: model.embed_dim: expected a whole number, got true",
        ),
        (
            "embed_dim: 16",
            "embed_dim: 16.5",
            "s.yaml:4: model.embed_dim: expected a whole number, got 16.5",
        ),
        (
            "steps: 10",
            "steps: 10, momentum: true",
            "s.yaml:5: train.momentum: expected a number, got true",
        ),
        (
            "steps: 10",
            "steps: 10, momentum: '0.9'",
            "s.yaml:5: train.momentum: expected a number, got '0.9'",
        ),
        (
            "steps: 10",
            "steps: 10, momentum: .nan",
            "s.yaml:5: train.momentum: expected a finite number, got nan",
        ),
        (
            "steps: 10",
            "steps: 10, momentum: ",
            "s.yaml:5: train.momentum: expected a number, got nothing",
        ),
        (
            "log: true, points: 3",
            "log: yes",
            "s.yaml:8: objective.temperature.log: expected true or false, got 'yes'",
        ),
        # Out of range
        ("seeds: 2", "seeds: 0", "s.yaml:11: seeds: expected a value of at least 1, got 0"),
        (
            "lambda: 1.0",
            "lambda: -1",
            "s.yaml:9: objective.lambda: expected a value of at least 0, got -1",
        ),
        (
            "steps: 10",
            "steps: 10, momentum: 1",
            "s.yaml:5: train.momentum: expected a value below 1, got 1",
        ),
        (
            "seeds: 2",
            "collapse: {below: 1}",
            "s.yaml:11: collapse.below: expected a value above 1, got 1",
        ),
        # Closed lists of values
        (
            "source: digits",
            "source: digts",
            "s.yaml:3: data.source: expected one of digits, glyphs, fashion_mnist, cifar10, "
            "cifar100, image_folder, general_midi, tuxpaint, audiocaps, clotho, esc50, esc10, "
            "urbansound8k, manifest; got 'digts'; did you mean digits?",
        ),
        (
            "steps: 10",
            "steps: 10, optimizer: adm",
            "s.yaml:5: train.optimizer: expected one of sgd, adam, adamw, lars; got 'adm'; did you "
            "mean adam?",
        ),
        (
            "[infonce, clop]",
            "[infonse, clop]",
            "s.yaml:7: objective.kind: unknown kind 'infonse'; "
            f"known kinds: {KINDS}; did you mean infonce?",
        ),
        (
            "[infonce, clop]",
            "3",
            f"s.yaml:7: objective.kind: unknown kind 3; known kinds: {KINDS}",
        ),
        (
            "question: boundary",
            "question: boundry",
            "s.yaml:2: question: expected one of boundary, optimise, grid; got 'boundry'; "
            "did you mean boundary?",
        ),
        (
            "question: boundary",
            "question: compare",
            "s.yaml:2: question: expected one of boundary, optimise, grid; got 'compare'",
        ),
        ("study: small", "study: a/b", f"s.yaml:1: study: {NAME_RULE}, got 'a/b'"),
        ("study: small", "study: -x", f"s.yaml:1: study: {NAME_RULE}, got '-x'"),
        ("study: small", "study: ..", f"s.yaml:1: study: {NAME_RULE}, got '..'"),
    ],
)
def test_one_mistake_is_one_line(old: str, new: str, message: str) -> None:
    assert complaint_of(sample_with(old, new)) == message


@pytest.mark.parametrize("text", ["", "\n# a comment\n"])
def test_an_empty_file_is_told_how_to_start(text: str) -> None:
    message = "s.yaml:1: the file is empty; a study starts with the line 'study: its-name'"
    assert complaint_of(text) == message


@pytest.mark.parametrize(
    ("text", "got"), [("- a\n", "a list"), ("boundary\n", "'boundary'"), ("\n3", "3")]
)
def test_a_file_that_is_no_mapping_is_refused(text: str, got: str) -> None:
    line = 2 if text.startswith("\n") else 1
    expected = f"s.yaml:{line}: expected a mapping (lines such as 'study: its-name'), got {got}"
    assert complaint_of(text) == expected


def test_all_mistakes_of_a_file_are_reported_by_line() -> None:
    text = (
        SAMPLE.replace("question: boundary", "question: why")
        .replace("temperature: {low: 0.1", "temperatur: {low: 0.1")
        .replace("hidden: [16]", "hidden: [0]")
        .replace("seeds: 2", "seeds: 2\nseeds: two\nseed: -1")
        .replace("[infonce, clop]", "[supcn]")
    )
    places = [": ".join(line.split(": ")[:2]) for line in complaint_of(text).splitlines()]
    assert places == [
        "s.yaml:2: question",
        "s.yaml:4: model.hidden",
        "s.yaml:7: objective.kind",
        "s.yaml:8: objective.temperatur",
        "s.yaml:12: seeds",
        "s.yaml:13: seed",
    ]


def test_every_bad_item_of_a_list_is_reported_at_its_own_line() -> None:
    text = sample_with("lambda: 1.0", "lambda:\n  - 1.0\n  - -1\n  - many")
    assert complaint_of(text).splitlines() == [
        "s.yaml:11: objective.lambda: expected a value of at least 0, got -1",
        "s.yaml:12: objective.lambda: expected a number, got 'many'",
    ]


def test_both_ends_of_a_range_are_tried() -> None:
    text = sample_with("low: 0.1, high: 1.0", "low: 1e-4, high: 1e3")
    assert complaint_of(text).splitlines() == [
        "s.yaml:8: objective.temperature.high: expected a value of at most 100, got 1000.0",
        "s.yaml:8: objective.temperature.low: expected a value of at least 0.005, got 0.0001",
    ]


def test_a_key_with_a_line_break_stays_on_one_line() -> None:
    lines = complaint_of(sample_with("seeds: 2", '"a\\nb": 2')).splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("s.yaml:11: 'a\\nb': unknown key; known keys: ")


def test_an_error_keeps_its_problems_across_a_process_border() -> None:
    with pytest.raises(StudyContentError, match="budget: missing") as caught:
        parse_study(sample_with("budget: {trials: 40}\n", ""), "s.yaml")
    copy = pickle.loads(pickle.dumps(caught.value))
    assert copy.problems == caught.value.problems
    assert str(copy) == str(caught.value)
