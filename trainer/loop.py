"""How a cohort is trained, from the first weights to its outcomes.

The story, top to bottom: load the data, stack the members, and until the last step: draw each
replicate's batch once, step every member on it, at every check measure all members on the fixed
evaluation set, let go those whose regime is decided, and write a checkpoint when one is due.

Shape legend: M = members alive, V = 2 views, B = batch, F = flat pixels.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from trainer.checkpoint import Checkpoints
from trainer.cohort import Cohort, Member, Outcome
from trainer.crew import ALONE, Crew
from trainer.data.batches import Stream
from trainer.data.training_data import TrainingData, load_training_data
from trainer.denormals import flush_denormals
from trainer.errors import BatchTooLargeError
from trainer.evaluations import build_evaluation, build_stream
from trainer.readings import Evaluation, Reading
from trainer.stack import Stack
from trainer.training import Training


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a cohort stands.

    Attributes:
        step: Optimiser steps done by the members still training.
        members_alive: How many those are.
        member_steps_done: Steps summed over all members, those that left included.
    """

    step: int
    members_alive: int
    member_steps_done: int


EndingListener = Callable[[Member, Tensor, Tensor], None]
"""Is told a member, and its features (N, F) and raw projections (N, D) of the N test
images or clips."""


@flush_denormals()
def train_cohort(
    cohort: Cohort,
    *,
    device: torch.device,
    dtype: torch.dtype = torch.float32,
    on_step: Callable[[Progress], None] = lambda _: None,
    on_end: EndingListener | None = None,
    checkpoints: Checkpoints | None = None,
    crew: Crew = ALONE,
) -> list[Outcome]:
    """Train every member of ``cohort`` and return its outcomes, ordered by trial key.

    A member's outcome has the same bits whatever other members are in the cohort, and however
    often training was interrupted and gone on with from a checkpoint.

    Args:
        cohort: What to train. All its members live in memory at once: split large ones.
        device: Where to train.
        dtype: float32, or float64 for reference runs.
        on_step: Called before the first step, from 0 or from a checkpoint, and after every step.
        on_end: Called for every member that ends, but for those that diverged.
        checkpoints: Where to write checkpoints, and to look for one to go on from.
        crew: The workers that train this cohort together, all by this call with this cohort.
            What they return is equal but for the seconds; its leader writes the checkpoints.

    Raises:
        UnequalWorkersError: If the crew's parameters differ.
        BatchTooLargeError: If the train split has fewer images than one batch.
        TrainerError: See :func:`trainer.objective.build_objective` and
            :func:`trainer.data.training_data.load_training_data`.
    """
    data = load_training_data(cohort.data, cohort.model, device, dtype)
    _require_one_batch(data, cohort)
    evaluation = build_evaluation(data, cohort)
    file = None if checkpoints is None else checkpoints.of(cohort, device, dtype)
    training = None
    if file is not None:
        training = Training.resume(cohort, data, evaluation, device, dtype, crew, file)
    if training is None:
        training = Training.begin(cohort, data, evaluation, device, dtype, crew)
    streams = _streams(cohort, data)
    on_step(_progress(training))
    while training.step < cohort.train.steps and training.stack.members:
        if _is_check(cohort, training.step + 1):
            evaluation.before_check(training.stack)
        _step(training, streams)
        if training.stack.members and _is_check(cohort, training.step):
            crew.require_equal(training.stack.parameters)
            _check(training, evaluation, crew)
            is_last = training.step == cohort.train.steps
            _let_go(training, evaluation, crew, on_end, is_last=is_last)
            if file is not None and crew.leads and training.stack.members and file.is_due:
                file.write(training.checkpoint())
        on_step(_progress(training))
    return training.logbook.outcomes(training.seconds)


def _progress(training: Training) -> Progress:
    return Progress(training.step, len(training.stack.members), training.member_steps)


def _require_one_batch(data: TrainingData, cohort: Cohort) -> None:
    samples, batch_size = len(data.train_labels_N), cohort.train.batch_size
    if samples < batch_size:
        raise BatchTooLargeError(
            f"train.batch_size is {batch_size}, but {cohort.data.source!r} has only {samples} "
            f"samples for training: choose at most {samples}"
        )


def _streams(cohort: Cohort, data: TrainingData) -> dict[int, Stream]:
    seeds = {member.seed for member in cohort.members}
    return {seed: build_stream(data, cohort, seed) for seed in seeds}


def _draw(stack: Stack, streams: Mapping[int, Stream], step: int) -> tuple[Tensor, Tensor]:
    """Draw one batch per replicate and hand each member its own: (M, V, B, F) and (M, B)."""
    seeds = [member.seed for member in stack.members]
    batches = {seed: streams[seed].batch_at(step) for seed in dict.fromkeys(seeds)}
    views_MVBF = torch.stack([batches[seed].views_VBF for seed in seeds])
    return views_MVBF, torch.stack([batches[seed].indices_B for seed in seeds])


def _step(training: Training, streams: Mapping[int, Stream]) -> None:
    """Take one step with every member, and part with those whose loss is not finite."""
    stack, logbook = training.stack, training.logbook
    losses = stack.step(*_draw(stack, streams, training.step)).tolist()
    training.step += 1
    training.member_steps += len(losses)
    is_finite = [math.isfinite(loss) for loss in losses]
    for member, loss, finite in zip(stack.members, losses, is_finite, strict=True):
        if not finite:
            logbook.close_diverged(member, training.step)
        elif training.step == 1:
            logbook.note_first_loss(member, loss)
    training.losses = [loss for loss, finite in zip(losses, is_finite, strict=True) if finite]
    _keep(stack, is_finite)


def _is_check(cohort: Cohort, step: int) -> bool:
    return step % cohort.collapse.every_steps == 0 or step == cohort.train.steps


def _check(training: Training, evaluation: Evaluation, crew: Crew) -> None:
    """Measure everybody; members whose embeddings are not finite have diverged."""
    stack, logbook = training.stack, training.logbook
    readings: list[Reading] = evaluation.read(stack)
    for member, reading, loss in zip(stack.members, readings, training.losses, strict=True):
        if reading.is_finite:
            logbook.record(member, reading, loss, training.step)
        else:
            logbook.close_diverged(member, training.step)
    _keep(stack, crew.follow([reading.is_finite for reading in readings]))


def _let_go(
    training: Training,
    evaluation: Evaluation,
    crew: Crew,
    on_end: EndingListener | None,
    *,
    is_last: bool,
) -> None:
    """End the members whose regime is decided: all of them at the last step.

    A verdict at the last step is no early one, so the logbook is not asked for it there.
    """
    stack, logbook = training.stack, training.logbook
    decided = crew.follow([is_last or logbook.is_decided(member) for member in stack.members])
    if not any(decided):
        return
    measures = evaluation.measure_ends(stack, decided)
    for member, final, leaves in zip(stack.members, measures, decided, strict=True):
        if leaves:
            logbook.close(member, final, training.step)
    if on_end is not None:
        embedded = zip(stack.members, *evaluation.embed(stack), decided, strict=True)
        for member, features_NF, projections_ND, leaves in embedded:
            if leaves:
                on_end(member, features_NF, projections_ND)
    _keep(stack, [not leaves for leaves in decided])


def _keep(stack: Stack, stays: Sequence[bool]) -> None:
    if not all(stays):
        stack.keep([i for i, keep in enumerate(stays) if keep])
