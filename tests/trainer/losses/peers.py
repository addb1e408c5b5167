"""Loss classes of other libraries, loaded without the libraries' own dependencies."""

import importlib.util
from pathlib import Path
from typing import Any

import pytest


def load_lightly(module: str, name: str) -> Any:
    """Return a class of one of lightly's loss files (lightly installed with --no-deps).

    ``lightly.loss`` as a package imports torchvision, which does not load beside a CPU torch;
    its loss files alone need nothing but torch.
    """
    package = importlib.util.find_spec("lightly")
    if package is None or package.origin is None:
        pytest.skip("lightly is not installed (pip install --no-deps lightly)")
    path = Path(package.origin).parent / "loss" / f"{module}.py"
    spec = importlib.util.spec_from_file_location(f"lightly_loss_{module}", path)
    assert spec is not None
    assert spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return getattr(loaded, name)
