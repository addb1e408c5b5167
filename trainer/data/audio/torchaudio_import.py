"""torchaudio, also where its extension cannot be loaded.

torchaudio's wheel brings an extension that links the CUDA libraries of one version of torch.
Beside a CPU build of torch, or one for another CUDA, loading it fails and with it the import,
although resampling and spectrograms are plain torch and need no extension. Then, and only then,
a stand-in says that the extension is not available. What needs it (forced alignment, the RNN-T
loss) is missing; so are torchaudio's ``load`` and ``save`` everywhere without torchcodec: we
decode with soundfile.
"""

import importlib
import sys
from functools import cache
from types import ModuleType
from typing import Any, NoReturn

_EXTENSION = "torchaudio._extension"


@cache
def import_torchaudio() -> Any:
    """Return the module ``torchaudio``; about a second the first time."""
    try:
        return importlib.import_module("torchaudio")
    except (OSError, RuntimeError):  # a library is missing, or is for another CUDA
        sys.modules[_EXTENSION] = _stand_in()
        return importlib.import_module("torchaudio")


def _stand_in() -> ModuleType:
    extension: Any = ModuleType(_EXTENSION)
    extension._IS_TORCHAUDIO_EXT_AVAILABLE = False
    extension._IS_ALIGN_AVAILABLE = False
    extension._check_cuda_version = lambda: None
    extension.fail_if_no_align = _refuse
    module: ModuleType = extension
    return module


def _refuse(function: object) -> object:
    """Replace a function that needs the extension by one that says so."""

    def refused(*_: object, **__: object) -> NoReturn:
        raise RuntimeError(f"{function} needs torchaudio's extension, which cannot be loaded here")

    return refused
