"""A cohort in training: all that changes from step to step, begun anew or gone on with.

What is not in here follows from the cohort: data, evaluation set, and every random draw, which
is keyed by seed and step. So a checkpoint needs no state of a random generator.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Self

import torch

from trainer.checkpoint import Checkpoint, CheckpointFile
from trainer.cohort import Cohort
from trainer.crew import Crew
from trainer.data.training_data import TrainingData
from trainer.errors import StackStateError
from trainer.logbook import Logbook
from trainer.readings import Evaluation
from trainer.stack import Stack


@dataclass(slots=True)
class Training:
    """Where a cohort stands.

    Attributes:
        stack: The members still training.
        logbook: What was written down about all members.
        step: Optimiser steps done.
        member_steps: Steps summed over all members, those that left included.
        losses: Of the step just taken, one for each member still training.
    """

    stack: Stack
    logbook: Logbook
    step: int = 0
    member_steps: int = 0
    losses: Sequence[float] = ()
    _seconds_before: float = 0.0
    _started: float = field(default_factory=time.perf_counter)

    @classmethod
    def begin(
        cls,
        cohort: Cohort,
        data: TrainingData,
        evaluation: Evaluation,
        device: torch.device,
        dtype: torch.dtype,
        crew: Crew,
    ) -> Self:
        """Draw the first weights and measure them."""
        started = time.perf_counter()
        stack = Stack(cohort, data, device, dtype, crew)
        logbook = Logbook(cohort, evaluation.level)
        logbook.open(stack.members, evaluation.read(stack), evaluation.qualities(stack))
        return cls(stack, logbook, _started=started)

    @classmethod
    def resume(
        cls,
        cohort: Cohort,
        data: TrainingData,
        evaluation: Evaluation,
        device: torch.device,
        dtype: torch.dtype,
        crew: Crew,
        file: CheckpointFile,
    ) -> Self | None:
        """Go on from the checkpoint; None where there is none that can be trusted.

        The crew's leader reads it, so that all begin at the same step.
        """
        started = time.perf_counter()
        checkpoint = crew.follow(file.read() if crew.leads else None)
        if checkpoint is None:
            return None
        alive = tuple(m for m in cohort.members if m.trial in set(checkpoint.members))
        survivors = cohort.model_copy(update={"members": alive})
        stack = Stack(survivors, data, device, dtype, crew)
        assert tuple(m.trial for m in stack.members) == checkpoint.members, "one order of members"
        try:
            stack.load_state(checkpoint.tensors)
        except StackStateError as error:
            file.distrust(str(error))
            return None
        logbook = Logbook(cohort, evaluation.level)
        logbook.restore(checkpoint.logbook)
        return cls(
            stack=stack,
            logbook=logbook,
            step=checkpoint.step,
            member_steps=checkpoint.member_steps,
            _seconds_before=checkpoint.seconds,
            _started=started,
        )

    @property
    def seconds(self) -> float:
        """Training time so far, in all attempts as far as they were kept."""
        return self._seconds_before + time.perf_counter() - self._started

    def checkpoint(self) -> Checkpoint:
        """Return what :meth:`resume` goes on from."""
        return Checkpoint(
            step=self.step,
            member_steps=self.member_steps,
            seconds=self.seconds,
            members=tuple(member.trial for member in self.stack.members),
            logbook=self.logbook.state(),
            tensors=self.stack.state(),
        )
