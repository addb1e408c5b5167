"""A study whose images cannot be had is refused with file and line, before anything is spent."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from orchestrator.cli import app
from tests.search_spaces.sample import complaint_of, parse, sample_with
from tests.trainer.data.source_files import write_fashion
from trainer.data.cifar import CIFAR10

SOURCE = "data: {source: digits}"


def test_a_source_on_disk_is_accepted(tmp_path: Path) -> None:
    write_fashion(tmp_path)
    study = parse(sample_with(SOURCE, f"data: {{source: fashion_mnist, folder: {tmp_path}}}"))
    assert dict(study.fixed)["data.folder"] == str(tmp_path)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (
            "source: cifar10",
            "s.yaml:3: data.source: cifar10 needs data.folder, none is given; "
            f"{CIFAR10.how_to_get}",
        ),
        (
            "source: cifar10, folder: /none",
            f"s.yaml:3: data.folder: there is no folder /none; {CIFAR10.how_to_get}",
        ),
        (
            "source: digits, folder: /none",
            "s.yaml:3: data.folder: they ship with scikit-learn; leave it out for digits",
        ),
        (
            "source: digits, imbalance: 0.5",
            "s.yaml:3: data.imbalance: expected a value of at least 1, got 0.5",
        ),
        (
            "source: digits, imbalance: [1, 100], test_fraction: 0.9",
            "s.yaml:5: train.batch_size: expected at most 44, the images that digits has for "
            "training, got 64",
        ),
        (
            "source: digits, limit: 40",
            "s.yaml:5: train.batch_size: expected at most 40, the images that digits has for "
            "training, got 64",
        ),
        (
            "source: digits, test_fraction: ",
            "s.yaml:3: data.test_fraction: expected a number, for the digits have no test split "
            "of their own",
        ),
    ],
)
def test_images_that_cannot_be_had_are_one_line(data: str, message: str) -> None:
    assert complaint_of(sample_with(SOURCE, f"data: {{{data}}}")) == message


def test_validation_ends_with_code_2(tmp_path: Path) -> None:
    study = tmp_path / "s.yaml"
    study.write_text(sample_with(SOURCE, "data:\n  source: fashion_mnist\n  folder: /none"))
    result = CliRunner().invoke(app, ["validate", str(study)])
    assert result.exit_code == 2
    assert (
        f"{study}:5: data.folder: there is no folder /none; run: apt-get install" in result.stderr
    )
