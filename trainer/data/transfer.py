"""Draws made on the CPU, sent to where a batch is trained."""

from torch import Tensor


def send(drawn: Tensor, like: Tensor) -> Tensor:
    """Return a CPU tensor on the device, and in the dtype if both are floating, of another.

    To a GPU it goes from pinned memory and without waiting: the copy is queued before the kernels
    that use it, so the host draws on meanwhile.
    """
    dtype = like.dtype if drawn.is_floating_point() and like.is_floating_point() else drawn.dtype
    if like.device.type != "cuda":
        return drawn.to(like.device, dtype)
    return drawn.to(dtype).pin_memory().to(like.device, non_blocking=True)
