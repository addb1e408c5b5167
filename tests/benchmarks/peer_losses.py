"""Loss files of other libraries, loaded without the libraries' own dependencies.

Installed with ``pip install --no-deps open_clip_torch lightly``: both want torchvision, their loss
files need torch only.
"""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any


class PeerMissingError(ImportError):
    """The peer library is not installed."""


def load_peer_file(package: str, relative_path: str) -> Any:
    """Execute one file of an installed package as a module of its own.

    Raises:
        PeerMissingError: If the package is not installed.
    """
    path = _folder(package) / relative_path
    spec = importlib.util.spec_from_file_location(f"peer_{package}_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def load_lightly_ntxent() -> Any:
    """Return lightly's NTXentLoss.

    Its file imports one module from below ``lightly.models``, whose ``__init__`` imports
    torchvision: the packages on the way (and their utilities, which a loss without a memory bank
    does not call) are entered as empty ones for the time of the import.
    """
    names = ("lightly.models", "lightly.models.modules", "lightly.models.utils")
    bare = {name: ModuleType(name) for name in names if name not in sys.modules}
    for name, module in bare.items():
        module.__path__ = [str(_folder("lightly").joinpath(*name.split(".")[1:]))]
    sys.modules.update(bare)
    try:
        return load_peer_file("lightly", "loss/ntx_ent_loss.py").NTXentLoss
    finally:
        for name in bare:
            del sys.modules[name]


def _folder(package: str) -> Path:
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        distribution = {"open_clip": "open_clip_torch"}.get(package, package)
        raise PeerMissingError(f"{package} is missing: pip install --no-deps {distribution}")
    return Path(spec.origin).parent
