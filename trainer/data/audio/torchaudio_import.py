"""torchaudio, also beside a CPU build of torch.

torchaudio's wheel brings an extension that links CUDA's libraries, which a CPU build of torch
does not have: the import fails, although resampling and spectrograms are plain torch and need
no extension. Beside such a torch, and only there, a stand-in says that the extension is not
available. What needs it (forced alignment, the RNN-T loss) is then missing; so are torchaudio's
``load`` and ``save`` everywhere without torchcodec: we decode with soundfile.
"""

import importlib
import sys
from functools import cache
from types import ModuleType
from typing import Any, NoReturn

import torch


@cache
def import_torchaudio() -> Any:
    """Return the module ``torchaudio``; about a second the first time."""
    if torch.version.cuda is None and "torchaudio" not in sys.modules:
        sys.modules.setdefault("torchaudio._extension", _stand_in())
    return importlib.import_module("torchaudio")


def _stand_in() -> ModuleType:
    extension: Any = ModuleType("torchaudio._extension")
    extension._IS_TORCHAUDIO_EXT_AVAILABLE = False
    extension._IS_ALIGN_AVAILABLE = False
    extension._check_cuda_version = lambda: None
    extension.fail_if_no_align = _refuse
    module: ModuleType = extension
    return module


def _refuse(function: object) -> object:
    """Replace a function that needs the extension by one that says so."""

    def refused(*_: object, **__: object) -> NoReturn:
        raise RuntimeError(f"{function} needs torchaudio's extension, which needs CUDA's libraries")

    return refused
