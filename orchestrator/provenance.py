"""Where numbers come from: commit, versions, lock file, data: so that they can be made again."""

import dataclasses
import hashlib
import importlib.metadata
import platform
import shlex
import subprocess
from collections.abc import Sequence
from pathlib import Path

import trainer
from orchestrator.dataset_view import view_datasets
from orchestrator.record import Provenance
from search_spaces.study import Study

_LOCK = "requirements.lock"
_DIGEST_CHARACTERS = 12
_DISTRIBUTIONS = ("rankfall", "torch", "ray", "optuna", "mlflow", "numpy", "scikit-learn")


def read_provenance(command: Sequence[str]) -> Provenance:
    """Describe this installation; ``command`` is what repeats the study, as typed."""
    versions = {name: importlib.metadata.version(name) for name in _DISTRIBUTIONS}
    checkout = Path(trainer.__file__).parent.parent
    return Provenance(
        git_commit=_read_commit(checkout),
        versions={**versions, "python": platform.python_version()},
        command=shlex.join(command),
        lock_digest=_digest_lock(checkout / _LOCK),
    )


def add_data(provenance: Provenance, study: Study) -> Provenance:
    """Return the provenance with a digest of the data that a study's trials are trained with.

    That which MLflow shows of the dataset; of a study that varies its data, one of all of them.
    Data that are not on this machine (the driver of a cluster) leave it None.
    """
    digests = dict.fromkeys(view.digest for view in view_datasets(study))
    if not digests:
        return provenance
    together = "".join(digests)
    if len(digests) > 1:
        together = hashlib.sha256(together.encode()).hexdigest()[: len(next(iter(digests)))]
    return dataclasses.replace(provenance, data_digest=together)


def _digest_lock(lock: Path) -> str | None:
    """Return a digest of the checkout's lock file; None where there is none."""
    try:
        return hashlib.sha256(lock.read_bytes()).hexdigest()[:_DIGEST_CHARACTERS]
    except OSError:
        return None


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
