"""A lane: one long-lived Ray Train worker group that trains packs until it is told to stop.

Starting a worker group costs tens of seconds, training a pack often less than one. So the
group lives as long as the sweep: its training function takes packs (cohorts cut to a worker's
size) from a queue. Workers share nothing but the two queues, so whoever is free takes the next.

This is the only module of the trainer that imports Ray.
"""

import math
import threading
import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from ray.train import FailureConfig, RunConfig, ScalingConfig
from ray.train.torch import TorchTrainer, get_device
from ray.util.queue import Empty, Queue

from trainer.cohort import Cohort, Outcome
from trainer.errors import LaneError
from trainer.loop import Progress, train_cohort
from trainer.outbox import Outbox

_STOP_SECONDS = 30.0
_REPORT_SECONDS = 0.5
# A queue actor inside the trial's full placement group would never start.
_QUEUE_OPTIONS = {"num_cpus": 0, "scheduling_strategy": "DEFAULT"}


@dataclass(frozen=True, slots=True)
class PackProgress:
    """Where a running pack stands."""

    pack_id: str
    progress: Progress


@dataclass(frozen=True, slots=True)
class PackDone:
    """A trained pack."""

    pack_id: str
    outcomes: list[Outcome]


@dataclass(frozen=True, slots=True)
class PackFailed:
    """A pack whose training raised; the worker goes on with the next one."""

    pack_id: str
    error: str


Message = PackProgress | PackDone | PackFailed


@dataclass(frozen=True, slots=True)
class LaneSettings:
    """Size and place of a lane.

    Attributes:
        workers: Processes that train packs side by side, at least 1.
        cpus_per_worker: Logical CPUs that each of them reserves.
        gpu_fraction: Share of a GPU for each, in (0, 1]; 0 trains on the CPU.
        outbox: Folder for outcomes; on a cluster a path that all nodes share.
        scratch: Folder for Ray Train's own files; worthless after the sweep.
    """

    workers: int
    cpus_per_worker: float
    gpu_fraction: float
    outbox: Path
    scratch: Path


class Lane:
    """A running worker group, fed through a queue. Use from one thread."""

    def __init__(self, settings: LaneSettings, name: str) -> None:
        self._settings = settings
        self._work = Queue(actor_options=_QUEUE_OPTIONS)
        self._done = Queue(actor_options=_QUEUE_OPTIONS)
        self._failure: BaseException | None = None
        trainer = TorchTrainer(
            serve_packs,
            train_loop_config={
                "work": self._work,
                "done": self._done,
                "outbox": str(settings.outbox),
            },
            scaling_config=ScalingConfig(
                num_workers=settings.workers,
                use_gpu=settings.gpu_fraction > 0,
                resources_per_worker={"CPU": settings.cpus_per_worker}
                | ({"GPU": settings.gpu_fraction} if settings.gpu_fraction else {}),
            ),
            # A stable name of its own: lanes never share Train's files.
            run_config=RunConfig(
                name=name,
                storage_path=str(settings.scratch),
                failure_config=FailureConfig(max_failures=0),
            ),
        )
        self._thread = threading.Thread(target=self._fit, args=(trainer,), daemon=True)
        self._thread.start()

    def submit(self, packs: Sequence[Cohort]) -> None:
        """Queue packs; whichever worker is free takes the next."""
        self._work.put_nowait_batch([pack.model_dump_json(by_alias=True) for pack in packs])

    def poll(self, seconds: float) -> list[Message]:
        """Wait up to ``seconds`` for a message, then return all that are there.

        Raises:
            LaneError: If the worker group died; what it had not finished must be run again.
        """
        messages: list[Message] = []
        try:
            messages.append(self._done.get(timeout=seconds))
            messages += self._done.get_nowait_batch(self._done.qsize())
        except Empty:
            pass
        if not messages and not self._thread.is_alive():
            raise LaneError(f"the worker group ended: {self._failure!r}") from self._failure
        return messages

    def stop(self) -> None:
        """Let the workers finish their packs and end the group."""
        if self._thread.is_alive():
            self._work.put_nowait_batch([None] * self._settings.workers)
            self._thread.join(_STOP_SECONDS)
        self._work.shutdown(force=True)
        self._done.shutdown(force=True)

    def _fit(self, trainer: TorchTrainer) -> None:
        try:
            trainer.fit()
        except BaseException as error:
            self._failure = error


def serve_packs(config: dict[str, Any]) -> None:
    """Train packs from the queue until None comes: the training function of every worker."""
    # Two threads on a busy two-core machine made a 1.3 ms step take up to 840 ms.
    torch.set_num_threads(1)
    work, done, outbox = config["work"], config["done"], Outbox(Path(config["outbox"]))
    while (text := work.get()) is not None:
        pack = Cohort.model_validate_json(text)
        done.put(_train_pack(pack, done, outbox))


def _train_pack(pack: Cohort, done: Queue, outbox: Outbox) -> PackDone | PackFailed:
    told_at = -math.inf

    def report(progress: Progress) -> None:
        nonlocal told_at
        if time.monotonic() - told_at < _REPORT_SECONDS:
            return
        told_at = time.monotonic()
        done.put_nowait(PackProgress(pack.cohort_id, progress))

    try:
        outcomes = train_cohort(pack, device=get_device(), on_step=report)
        outbox.put(pack.cohort_id, outcomes)
    except Exception:
        # A pack that cannot be trained must not take the lane with it.
        return PackFailed(pack.cohort_id, traceback.format_exc())
    return PackDone(pack.cohort_id, outcomes)
