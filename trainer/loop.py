"""How a cohort is trained, from the first weights to its outcomes.

The story, top to bottom: load the data, stack the members, and until the last step: draw each
replicate's batch once, step every member on it, at every check measure all members on the fixed
evaluation set, and let go those whose regime is decided.

Shape legend: M = members alive, V = 2 views, B = batch, F = flat pixels.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from trainer.checks import Evaluation, Reading
from trainer.cohort import Cohort, Outcome
from trainer.data.batches import BatchStream
from trainer.data.image_data import ImageData
from trainer.data.images import load_images
from trainer.denormals import flush_denormals
from trainer.errors import BatchTooLargeError
from trainer.logbook import Logbook
from trainer.stack import Stack


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a cohort stands at a check.

    Attributes:
        step: Optimiser steps done by the members still training.
        members_alive: How many those are.
        member_steps_done: Steps summed over all members, those that left included.
    """

    step: int
    members_alive: int
    member_steps_done: int


@flush_denormals()
def train_cohort(
    cohort: Cohort,
    *,
    device: torch.device,
    dtype: torch.dtype = torch.float32,
    on_check: Callable[[Progress], None] | None = None,
) -> list[Outcome]:
    """Train every member of ``cohort`` and return its outcomes, ordered by trial key.

    A member's outcome has the same bits whatever other members are in the cohort.

    Args:
        cohort: What to train. All its members live in memory at once: split large ones.
        device: Where to train.
        dtype: float32, or float64 for reference runs.
        on_check: Called after every check.

    Raises:
        BatchTooLargeError: If the train split has fewer images than one batch.
        TrainerError: See :func:`trainer.objective.build_objective`.
    """
    started = time.perf_counter()
    data = load_images(cohort.data).to(device, dtype)
    _require_one_batch(data, cohort)
    stack = Stack(cohort, data, device, dtype)
    evaluation = Evaluation.of(data, cohort.data, cohort.collapse)
    logbook = Logbook(cohort, evaluation.level)
    logbook.open(stack.members, evaluation.read(stack), evaluation.knn_accuracies(stack))
    streams = _streams(cohort, data)
    member_steps = 0
    for step in range(1, cohort.train.steps + 1):
        member_steps += len(stack.members)
        losses_M = stack.step(*_draw(stack, streams, step - 1))
        losses = _drop_diverged(stack, logbook, losses_M.tolist(), step)
        if stack.members and _is_check(cohort, step):
            _check(stack, logbook, evaluation, losses, step)
            _let_go(stack, logbook, evaluation, step, is_last=step == cohort.train.steps)
            if on_check is not None:
                on_check(Progress(step, len(stack.members), member_steps))
        if not stack.members:
            break
    return logbook.outcomes(time.perf_counter() - started)


def _require_one_batch(data: ImageData, cohort: Cohort) -> None:
    images, batch_size = len(data.train_labels_N), cohort.train.batch_size
    if images < batch_size:
        raise BatchTooLargeError(
            f"train.batch_size is {batch_size}, but {cohort.data.source!r} has only {images} "
            f"training images: choose at most {images}"
        )


def _streams(cohort: Cohort, data: ImageData) -> dict[int, BatchStream]:
    return {
        seed: BatchStream(data, cohort.data.augment, cohort.train.batch_size, seed)
        for seed in {member.seed for member in cohort.members}
    }


def _draw(stack: Stack, streams: Mapping[int, BatchStream], step: int) -> tuple[Tensor, Tensor]:
    """Draw one batch per replicate and hand each member its own: (M, V, B, F) and (M, B)."""
    seeds = [member.seed for member in stack.members]
    batches = {seed: streams[seed].batch_at(step) for seed in dict.fromkeys(seeds)}
    views_MVBF = torch.stack([batches[seed].views_VBF for seed in seeds])
    return views_MVBF, torch.stack([batches[seed].indices_B for seed in seeds])


def _drop_diverged(
    stack: Stack, logbook: Logbook, losses: Sequence[float], step: int
) -> list[float]:
    """Take members with a non-finite loss out of the stack; return the others' losses."""
    is_finite = torch.tensor(losses).isfinite().tolist()
    for member, loss, finite in zip(stack.members, losses, is_finite, strict=True):
        if not finite:
            logbook.close_diverged(member, step)
        elif step == 1:
            logbook.note_first_loss(member, loss)
    alive = [i for i, finite in enumerate(is_finite) if finite]
    if len(alive) < len(losses):
        stack.keep(alive)
    return [losses[i] for i in alive]


def _is_check(cohort: Cohort, step: int) -> bool:
    return step % cohort.collapse.every_steps == 0 or step == cohort.train.steps


def _check(
    stack: Stack, logbook: Logbook, evaluation: Evaluation, losses: Sequence[float], step: int
) -> None:
    """Measure everybody; members whose embeddings are not finite have diverged."""
    readings: list[Reading] = evaluation.read(stack)
    for member, reading, loss in zip(stack.members, readings, losses, strict=True):
        if reading.is_finite:
            logbook.record(member, reading, loss, step)
        else:
            logbook.close_diverged(member, step)
    if not all(reading.is_finite for reading in readings):
        stack.keep([i for i, reading in enumerate(readings) if reading.is_finite])


def _let_go(
    stack: Stack, logbook: Logbook, evaluation: Evaluation, step: int, *, is_last: bool
) -> None:
    """End the members whose regime is decided: all of them at the last step.

    A verdict at the last step is no early one, so the logbook is not asked for it there.
    """
    decided = [is_last or logbook.is_decided(member) for member in stack.members]
    if not any(decided):
        return
    accuracies = evaluation.knn_accuracies(stack)
    for member, accuracy, leaves in zip(stack.members, accuracies, decided, strict=True):
        if leaves:
            logbook.close(member, accuracy, step)
    stack.keep([i for i, leaves in enumerate(decided) if not leaves])
