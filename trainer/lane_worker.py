"""What runs in every worker of a lane: packs from a queue, trained one after the other."""

import math
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass

import ray
import torch
from ray import train
from ray.train.torch import get_device
from ray.util.queue import Queue

from trainer.allocator import keep_freed_memory
from trainer.checkpoint import Checkpoints
from trainer.cohort import Cohort, Outcome
from trainer.crew import ALONE, Crew
from trainer.errors import TrainerError
from trainer.halving import train_fitting
from trainer.lane_messages import (
    LaneSettings,
    PackDone,
    PackFailed,
    PackProgress,
    PackTaken,
    WorkerUp,
)
from trainer.loop import Progress, train_cohort
from trainer.outbox import Outbox

_REPORT_SECONDS = 0.5


def serve_packs(settings: LaneSettings, work: Queue, done: Queue) -> None:
    """Train packs from ``work`` until None comes: the training function of every worker."""
    # Two threads on a busy two-core machine made a 1.3 ms step take up to 840 ms.
    torch.set_num_threads(1)
    keep_freed_memory()
    device = get_device()
    limit_memory(device, settings.gpu_fraction)
    rank = train.get_context().get_world_rank()
    done.put(WorkerUp(rank, ray.get_runtime_context().current_actor))
    worker = Worker(
        device,
        Crew.of_world(),
        Outbox(settings.outbox),
        Checkpoints(settings.checkpoints, settings.checkpoint_seconds),
        done.put,
    )
    while (text := work.get()) is not None:
        if (answer := worker.train(Cohort.model_validate_json(text))) is not None:
            done.put(answer)


def limit_memory(device: torch.device, gpu_fraction: float) -> None:
    """Keep a process to its share of the GPU, so that it cannot starve those beside it."""
    if device.type == "cuda":
        torch.cuda.set_per_process_memory_fraction(gpu_fraction, device)


@dataclass(frozen=True, slots=True)
class Worker:
    """Trains packs, tells how far they are, and puts outcomes on disk before it tells them."""

    device: torch.device
    world: Crew
    outbox: Outbox
    checkpoints: Checkpoints
    tell: Callable[[PackTaken | PackProgress], None]

    def train(self, pack: Cohort) -> PackDone | PackFailed | None:
        """Train one pack; what it raises is an answer too: the worker goes on.

        Of a pack that the workers train together, the leader alone tells the end.

        Raises:
            Exception: What ended this worker's part of a pack that others train too, unless all
                of them refuse it (TrainerError): they wait for it, so the lane has to end.
        """
        self.tell(PackTaken(pack.cohort_id))
        crew = self.world if pack.train.split == "data" else ALONE
        report = _Reporter(pack.cohort_id, self.tell)
        try:
            if crew.size > 1:
                outcomes = self._train_part(pack, crew, report)
            else:
                outcomes = train_fitting(pack, lambda part: self._train_part(part, crew, report))
            if not crew.leads:
                return None
            self.outbox.put(pack.cohort_id, outcomes)
        except Exception as error:
            if crew.size > 1 and not isinstance(error, TrainerError):
                raise
            # A pack that cannot be trained must not take the lane with it.
            return PackFailed(pack.cohort_id, traceback.format_exc())
        self.checkpoints.remove(pack.cohort_id)
        return PackDone(pack.cohort_id, outcomes)

    def _train_part(self, part: Cohort, crew: Crew, report: "_Reporter") -> list[Outcome]:
        report.is_start = True
        return train_cohort(
            part,
            device=self.device,
            on_step=report,
            checkpoints=self.checkpoints,
            crew=crew,
        )


@dataclass(slots=True)
class _Reporter:
    """Tells the first step of an attempt, and then a step now and then."""

    pack_id: str
    tell: Callable[[PackProgress], None]
    is_start: bool = True
    told_at: float = -math.inf

    def __call__(self, progress: Progress) -> None:
        now = time.monotonic()
        if self.is_start or now - self.told_at >= _REPORT_SECONDS:
            self.tell(PackProgress(self.pack_id, progress, self.is_start))
            self.is_start, self.told_at = False, now
