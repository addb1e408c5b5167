"""Digests of what features depend on."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from torch import Tensor

_WEIGHTS = ("config.json", "*.safetensors")


def digest_tensors(tensors: Mapping[str, Tensor]) -> str:
    """Return a digest of tensors with their names, in order."""
    hasher = hashlib.sha256()
    for name, tensor in tensors.items():
        hasher.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode())
        hasher.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return hasher.hexdigest()


def digest_folder(folder: Path, patterns: Sequence[str] = _WEIGHTS) -> str:
    """Return a digest of a folder's files, without loading anything into a network.

    Args:
        patterns: Which files count; configuration and weights without.
    """
    hasher = hashlib.sha256()
    for path in sorted({path for pattern in patterns for path in folder.glob(pattern)}):
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        hasher.update(f"{path.name} {digest}".encode())
    return hasher.hexdigest()


def digest_texts(texts: Iterable[str]) -> str:
    """Return a digest of texts, in order."""
    hasher = hashlib.sha256()
    for text in texts:
        encoded = text.encode()
        hasher.update(f"{len(encoded)} ".encode() + encoded)
    return hasher.hexdigest()
