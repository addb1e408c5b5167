"""A pack that does not fit the GPU's memory is trained in halves."""

from collections.abc import Callable

import torch

from trainer.cohort import Cohort, Outcome


def train_fitting(pack: Cohort, train: Callable[[Cohort], list[Outcome]]) -> list[Outcome]:
    """Train a pack; where memory runs out its halves, one after the other, down to one member.

    A member's outcome does not depend on its pack, so halving changes the time and nothing else.

    Args:
        pack: What to train.
        train: Trains a pack; raises torch.cuda.OutOfMemoryError if it is too large.

    Returns:
        The outcomes by trial key.

    Raises:
        torch.cuda.OutOfMemoryError: If a single member does not fit.
    """
    try:
        return train(pack)
    except torch.cuda.OutOfMemoryError:
        if len(pack.members) == 1:
            raise
    # Behind the except block: the traceback holds the tensors of the attempt.
    torch.cuda.empty_cache()
    outcomes = [outcome for half in halve(pack) for outcome in train_fitting(half, train)]
    return sorted(outcomes, key=lambda outcome: outcome.trial)


def halve(pack: Cohort) -> tuple[Cohort, Cohort]:
    """Return the two halves of a pack of at least 2 members; the names begin as the pack's does."""
    middle = (len(pack.members) + 1) // 2
    first = {"cohort_id": f"{pack.cohort_id}.0", "members": pack.members[:middle]}
    second = {"cohort_id": f"{pack.cohort_id}.1", "members": pack.members[middle:]}
    return pack.model_copy(update=first), pack.model_copy(update=second)
