"""The import rule, and what importing a pure package must not load."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def test_imports_go_down_only() -> None:
    linter = Path(sys.executable).with_name("lint-imports")
    result = subprocess.run([linter], cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize(
    ("module", "unwanted"),
    [
        ("trainer.losses.infonce", {"ray", "mlflow", "transformers", "pandas", "pydantic"}),
        ("trainer.collapse.spectrum", {"ray", "mlflow", "transformers", "pandas", "pydantic"}),
        ("orchestrator.planners.threshold", {"ray", "mlflow", "transformers", "optuna"}),
        ("orchestrator.cli", {"torch", "ray", "mlflow", "optuna", "pandas", "matplotlib"}),
    ],
)
def test_importing_a_module_loads_nothing_heavy(module: str, unwanted: set[str]) -> None:
    code = f"import sys, {module}; print(*sys.modules)"
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert not unwanted & set(result.stdout.split())
