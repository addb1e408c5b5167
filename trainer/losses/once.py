"""Hand-written backwards give first derivatives only, and say so."""

import torch


class SecondDerivativeError(NotImplementedError):
    """A fused objective was asked for a differentiable gradient."""


def refuse_second_derivatives() -> None:
    """Raise inside a backward that runs under ``create_graph=True``.

    ``torch.autograd.function.once_differentiable`` would return a gradient that lacks the
    dependence on the embeddings, and only sometimes complain later.

    Raises:
        SecondDerivativeError: If autograd is recording the backward.
    """
    if torch.is_grad_enabled():
        raise SecondDerivativeError(
            "fused objectives can be differentiated once: call the plain form (infonce_plain, "
            "nt_xent_plain, ...) where create_graph=True is needed"
        )
