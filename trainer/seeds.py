"""Seeds by purpose: any draw can be repeated alone, in any order, on any machine.

A draw is named by what it is for - ``derive_seed(replicate_seed, "augment", step)`` - instead of
by its position in a stream, so packing members differently or resuming changes nothing.
"""

import hashlib
import json

import torch

_SEED_BITS = 63
SEED_LIMIT = 2**_SEED_BITS - 1
"""Seeds that are drawn by a generator are below it."""


def derive_seed(*purpose: int | str) -> int:
    """Return a seed in [0, 2**63) that depends on every part of ``purpose`` and on nothing else."""
    digest = hashlib.sha256(json.dumps(purpose).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> (64 - _SEED_BITS)


def generator_for(*purpose: int | str) -> torch.Generator:
    """Return a fresh CPU generator for ``purpose``.

    Draws happen on the CPU and are moved to the device, so CPU and GPU see equal randomness.
    """
    return torch.Generator().manual_seed(derive_seed(*purpose))
