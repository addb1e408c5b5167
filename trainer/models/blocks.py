"""Activation checkpointing: a block's inputs are kept, what is inside is computed twice.

Models run each layer or block through :func:`run_block`; whoever trains them decides, with
:func:`checkpointed_blocks`, whether that saves memory. Blocks draw no random numbers.

References:
    Chen et al. 2016, arXiv:1604.06174.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from trainer.models.protocol import Tensors

Block = Callable[[Tensors, Tensor], Tensor]
"""From running statistics, which it may update in place, and an input to an output."""

_IS_CHECKPOINTING: ContextVar[bool] = ContextVar("checkpointed blocks", default=False)


@contextmanager
def checkpointed_blocks(*, enabled: bool = True) -> Iterator[None]:
    """Let the blocks that run inside keep their inputs only, where gradients are recorded."""
    token = _IS_CHECKPOINTING.set(enabled)
    try:
        yield
    finally:
        _IS_CHECKPOINTING.reset(token)


def run_block(block: Block, running: Tensors, inputs: Tensor) -> Tensor:
    """Return ``block(running, inputs)``, checkpointed where :func:`checkpointed_blocks` says so.

    The second time a block is computed it gets copies of the running statistics, for they must
    move once a step.
    """
    if not (_IS_CHECKPOINTING.get() and torch.is_grad_enabled()):
        return block(running, inputs)
    is_first = True

    def run(given: Tensor) -> Tensor:
        nonlocal is_first
        own = running if is_first else {name: r.clone() for name, r in running.items()}
        is_first = False
        return block(own, given)

    output = checkpoint(run, inputs, use_reentrant=False, preserve_rng_state=False)
    assert isinstance(output, Tensor)
    return output
