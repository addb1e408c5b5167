"""Where numbers come from: commit and versions, so that a reader can make them again."""

import importlib.metadata
import platform
import shlex
import subprocess
from collections.abc import Sequence
from pathlib import Path

import trainer
from orchestrator.record import Provenance

_DISTRIBUTIONS = ("rankfall", "torch", "ray", "optuna", "mlflow", "numpy", "scikit-learn")


def read_provenance(command: Sequence[str]) -> Provenance:
    """Describe this installation; ``command`` is what repeats the study, as typed."""
    versions = {name: importlib.metadata.version(name) for name in _DISTRIBUTIONS}
    return Provenance(
        git_commit=_read_commit(Path(trainer.__file__).parent.parent),
        versions={**versions, "python": platform.python_version()},
        command=shlex.join(command),
    )


def _read_commit(checkout: Path) -> str | None:
    """Return the commit of the checkout we run from, ``+dirty`` if changed, None without one."""
    # site-packages may lie inside somebody else's repository: that commit is not ours.
    if not (checkout / ".git").exists():
        return None
    commit = _run_git(checkout, "rev-parse", "HEAD")
    if commit is None:
        return None
    return commit + ("+dirty" if _run_git(checkout, "status", "--porcelain") else "")


def _run_git(folder: Path, *arguments: str) -> str | None:
    try:
        result = subprocess.run(
            ["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return result.stdout.strip()
