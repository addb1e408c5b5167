"""The dense reference of the demo belongs to the demo that ships, and was not edited."""

import json
from importlib.resources import files
from pathlib import Path

import pytest

from search_spaces.load import load_study
from search_spaces.study import Study
from tests.benchmarks.demo_reference import FILE, load


@pytest.fixture
def demo() -> Study:
    return load_study(Path(str(files("search_spaces") / "studies" / "demo.yaml")))


def test_the_reference_was_made_from_the_demo_that_ships(demo: Study) -> None:
    about, slices = load(demo)
    assert about["trials"] == 3465
    assert [s.point for s in slices] == list(demo.slices())
    assert sum(s.median is not None for s in slices) == 13


def test_a_changed_reference_is_noticed(demo: Study, tmp_path: Path) -> None:
    content = json.loads(FILE.read_text())
    content["slices"][0]["median"] = 0.0
    changed = tmp_path / "reference.json"
    changed.write_text(json.dumps(content))
    with pytest.raises(ValueError, match="was changed after it was made"):
        load(demo, changed)
