"""A pack that does not fit the GPU's memory is trained in halves."""

from collections.abc import Callable
from itertools import accumulate, chain

import torch

from trainer.cohort import Cohort, Outcome
from trainer.couples import group_couples


def train_fitting(pack: Cohort, train: Callable[[Cohort], list[Outcome]]) -> list[Outcome]:
    """Train a pack; where memory runs out its halves, one after the other, down to one member.

    A member's outcome does not depend on its pack, so halving changes the time and nothing else.

    Args:
        pack: What to train.
        train: Trains a pack; raises torch.cuda.OutOfMemoryError if it is too large.

    Returns:
        The outcomes by trial key.

    Raises:
        torch.cuda.OutOfMemoryError: If a single member, or a single couple, does not fit.
    """
    try:
        return train(pack)
    except torch.cuda.OutOfMemoryError:
        if len(group_couples(pack.members)) == 1:
            raise
    # Behind the except block: the traceback holds the tensors of the attempt.
    torch.cuda.empty_cache()
    outcomes = [outcome for half in halve(pack) for outcome in train_fitting(half, train)]
    return sorted(outcomes, key=lambda outcome: outcome.trial)


def halve(pack: Cohort) -> tuple[Cohort, Cohort]:
    """Return the two halves of a pack; their names begin as the pack's does.

    Couples stay whole: they are compared. There must be two, or two members in none.
    """
    couples = group_couples(pack.members)
    counts = list(accumulate(len(couple) for couple in couples[:-1]))
    half = (len(pack.members) + 1) // 2
    cut = 1 + min(range(len(counts)), key=lambda i: abs(counts[i] - half))
    first, second = (
        {"cohort_id": f"{pack.cohort_id}.{number}", "members": tuple(chain.from_iterable(part))}
        for number, part in enumerate((couples[:cut], couples[cut:]))
    )
    return pack.model_copy(update=first), pack.model_copy(update=second)
