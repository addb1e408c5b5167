"""The plain Optuna script of the README runs as it stands and finds the edge."""

import re
import runpy
from pathlib import Path

import optuna
import pytest

SCRIPT = Path(__file__).with_name("optuna_script.py")
README = Path(__file__).parents[3] / "README.md"


def test_the_script_prints_the_critical_learning_rate(capsys: pytest.CaptureFixture[str]) -> None:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    runpy.run_path(str(SCRIPT))
    said = re.search(r"rate ([\d.]+), 95 % band ([\d.]+) to ([\d.]+)", capsys.readouterr().out)
    assert said is not None
    median, lo, hi = map(float, said.groups())
    assert median == pytest.approx(0.2, rel=0.1)
    assert lo <= median <= hi


def test_the_readme_shows_this_script() -> None:
    text = README.read_text()
    if "BoundarySampler" not in text:
        pytest.skip("README does not show the sampler yet")
    assert f"```python\n{SCRIPT.read_text()}```" in text
