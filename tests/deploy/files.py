"""The files of ``deploy/``, and what the lock file pins."""

import re
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
KUBERAY = DEPLOY / "kuberay"


def read_documents(text: str) -> list[dict[str, Any]]:
    """Return the documents of a YAML text."""
    return list(yaml.safe_load_all(text))


def read_lock() -> dict[str, str]:
    """Return the versions in requirements.lock by lower-case name."""
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    pins = (re.fullmatch(r"([A-Za-z0-9._-]+)==(\S+)", line) for line in lines)
    return {pin[1].lower(): pin[2] for pin in pins if pin is not None}
