"""Results in Python: the README's example on what the demo really found, typed and refused."""

import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator.errors import LedgerError, ResultsError
from orchestrator.planners.threshold import Verdict
from orchestrator.results import Results, load
from search_spaces.point import Value
from tests.orchestrator.claims.laboratory import fill, make_study
from tests.orchestrator.demo_ledger import write_demo

HERE = Path(__file__)
SCRIPT = HERE.with_name("results_script.py")
README = HERE.parents[2] / "README.md"
SAID = """\
critical learning rate 0.041, 95 % band 0.022 to 0.08
regime          healthy  complete
objective.kind                   
clop                 52        49
infonce              54        51
supcon               57        37
"""  # noqa: W291


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder like a user's after ``rankfall run demo``."""
    folder = tmp_path_factory.mktemp("user")
    write_demo(folder)
    return folder


def test_the_readmes_example_says_what_the_demo_found(
    demo: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(demo)
    runpy.run_path(str(SCRIPT))
    assert capsys.readouterr().out == SAID


def test_the_readme_shows_this_example() -> None:
    text = README.read_text()
    if "orchestrator.results" not in text:
        pytest.skip("README does not show results in Python yet")
    assert f"```python\n{SCRIPT.read_text()}```" in text
    shown = "\n".join(line.rstrip() for line in SAID.splitlines())
    assert f"```\n{shown}\n```" in text


def test_importing_results_loads_nothing_heavy() -> None:
    check = (
        "import sys, orchestrator.results; "
        "sys.exit(any(m in sys.modules for m in ('torch','pandas','optuna','matplotlib','ray')))"
    )
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0


def test_a_boundary_is_found_by_coordinates_and_their_short_names(demo: Path) -> None:
    results = load("demo", demo / "rankfall-results")
    inside = results.boundary(kind="clop", temperature=0.4729)
    assert inside.median is not None
    assert inside.band is not None
    assert inside.band[0] < inside.median < inside.band[1]
    given: dict[str, Value] = {"objective.kind": "clop", "temperature": 0.4728708045}
    assert inside == results.boundary(**given)
    mixed = results.boundary(kind="supcon", temperature=0.4729)
    assert (mixed.verdict, mixed.median, mixed.censored) == (Verdict.TRANSITION, None, None)


def test_a_threshold_beyond_the_range_is_censored(tmp_path: Path) -> None:
    study = make_study("question=boundary", "lr={low: 0.1, high: 10, log: true}")
    fill(study, tmp_path, lambda _: {"knn_accuracy": 0.5})
    found = load(tmp_path).boundary(kind="clop", temperature=0.1)
    assert (found.median, found.band, found.censored) == (None, None, "above")


@pytest.mark.parametrize(
    ("coordinates", "said"),
    [
        ({"kind": "clop"}, "those of 5; there are clop, temperature 0.05"),
        ({"kind": "dcl"}, "those of 0; there are infonce"),
        ({"tempo": 1}, "tempo is no axis of study demo; it varies lr, objective.kind"),
    ],
)
def test_coordinates_that_tell_no_single_slice_are_refused(
    demo: Path, coordinates: dict[str, str], said: str
) -> None:
    with pytest.raises(ResultsError, match=said):
        load(demo / "rankfall-results" / "demo").boundary(**coordinates)


def test_a_notebook_shows_the_map_and_the_answer(demo: Path) -> None:
    results = load("demo", demo / "rankfall-results")
    picture = results._repr_png_()
    assert picture is not None
    assert picture.startswith(b"\x89PNG")
    page = results._repr_html_()
    assert "data:image/png;base64," in page
    assert 'alt="' in page
    assert repr(results) == "<Results of study demo (36a97bcbf259): 300 trials finished, 0 missing>"
    assert list(results.trials["trial"]) == sorted(r.key for r in results.records)


def test_a_study_without_a_map_shows_its_trials(tmp_path: Path) -> None:
    fill(make_study("lr=0.1"), tmp_path, lambda _: {"knn_accuracy": 0.5})
    results: Results = load(tmp_path)
    assert results._repr_png_() is None
    assert "<table" in results._repr_html_()
    with pytest.raises(ResultsError, match="lr is no axis of it"):
        results.boundary()


def test_a_study_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match="no ledger here"):
        load("absent", tmp_path)
