"""Flat names for the tensors of a training state, and the check that a state fits.

A state is one dict of tensors, as safetensors files hold them; parts are told apart by prefixes.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from trainer.errors import StackStateError

Tensors = dict[str, Tensor]


def prefixed(prefix: str, tensors: Mapping[str, Tensor]) -> Tensors:
    """Return the tensors under the names ``prefix/name``."""
    return {f"{prefix}/{name}": tensor for name, tensor in tensors.items()}


def under(prefix: str, state: Mapping[str, Tensor]) -> Tensors:
    """Return what :func:`prefixed` put under a prefix, by the names it had."""
    start = f"{prefix}/"
    return {n.removeprefix(start): t for n, t in state.items() if n.startswith(start)}


def take_like(expected: Mapping[str, Tensor], state: Mapping[str, Tensor], prefix: str) -> Tensors:
    """Return copies of the tensors under a prefix.

    Raises:
        StackStateError: If they are not of the names, shapes and dtypes of ``expected``.
    """
    loaded = under(prefix, state)
    if (wanted := _signatures(expected)) != (got := _signatures(loaded)):
        different = sorted(set(wanted.items()) ^ set(got.items()), key=str)
        raise StackStateError(
            f"the saved {prefix} belong to another cohort: expected and got differ in "
            f"{', '.join(f'{name} {shape}' for name, (shape, _) in different)}; delete the "
            "checkpoint to start anew, or resume the cohort that wrote it"
        )
    return {name: loaded[name].clone() for name in expected}


def _signatures(tensors: Mapping[str, Tensor]) -> dict[str, tuple[tuple[int, ...], torch.dtype]]:
    return {name: (tuple(tensor.shape), tensor.dtype) for name, tensor in tensors.items()}
