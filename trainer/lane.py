"""A lane: one long-lived Ray Train worker group that trains packs until it is told to stop.

Starting a worker group costs tens of seconds, training a pack often less than one. So the
group lives as long as the sweep: its training function takes packs (cohorts cut to a worker's
size) from a queue. Workers share nothing but the two queues, so whoever is free takes the next.
"""

import threading
import time
from collections.abc import Sequence
from typing import Any

import ray
from ray.train import FailureConfig, RunConfig, ScalingConfig
from ray.train.torch import TorchConfig, TorchTrainer
from ray.util.queue import Empty, Queue

from trainer.cohort import Cohort
from trainer.errors import LaneError
from trainer.lane_messages import LaneSettings, Message, WorkerUp
from trainer.lane_worker import serve_packs
from trainer.vigil import Vigil

_STOP_SECONDS = 30.0
_DESTROY_SECONDS = 60.0
# A queue actor inside the trial's full placement group would never start.
_QUEUE_OPTIONS = {"num_cpus": 0, "scheduling_strategy": "DEFAULT"}


class Lane:
    """A running worker group, fed through a queue. Use from one thread."""

    def __init__(self, settings: LaneSettings, name: str) -> None:
        self._settings = settings
        self._work = Queue(actor_options=_QUEUE_OPTIONS)
        self._done = Queue(actor_options=_QUEUE_OPTIONS)
        self._vigil = Vigil(settings.workers, settings.silence_seconds, time.monotonic)
        self._workers: list[Any] = []
        self._failure: BaseException | None = None
        trainer = _make_trainer(settings, name, self._work, self._done)
        self._thread = threading.Thread(target=self._fit, args=(trainer,), daemon=True)
        self._thread.start()

    @property
    def at_work(self) -> frozenset[str]:
        """The packs that some worker took and has not ended."""
        return self._vigil.at_work

    def submit(self, packs: Sequence[Cohort]) -> None:
        """Queue packs; whichever worker is free takes the next."""
        self._vigil.note_submitted([pack.cohort_id for pack in packs])
        self._work.put_nowait_batch(
            [
                pack.model_dump_json(by_alias=True)
                for pack in packs
                # One copy for each worker that shares the pack's data: whoever took one waits
                # for the others in the first collective, so nobody takes two.
                for _ in range(self._settings.workers if pack.train.split == "data" else 1)
            ]
        )

    def poll(self, seconds: float) -> list[Message]:
        """Wait up to ``seconds`` for a message, then return all that are there.

        Raises:
            LaneError: If the worker group died, was started anew, or gives no sign of life; what
                it had not finished must be run again. Call :meth:`destroy` then.
        """
        messages: list[Message] = []
        try:
            messages.append(self._done.get(timeout=seconds))
            messages += self._done.get_nowait_batch(self._done.qsize())
        except Empty:
            pass
        self._workers += [m.handle for m in messages if isinstance(m, WorkerUp)]
        self._vigil.note(messages)
        if not messages and not self._thread.is_alive():
            kind = type(self._failure).__name__
            raise LaneError(f"the worker group ended: {kind}: {self._failure}") from self._failure
        self._vigil.check()
        return messages

    def stop(self) -> None:
        """Let the workers finish their packs and end the group."""
        if self._thread.is_alive():
            self._work.put_nowait_batch([None] * self._settings.workers)
            self._thread.join(_STOP_SECONDS)
        self._shut_queues()

    def destroy(self) -> None:
        """End the group at once, whatever its workers do.

        Raises:
            LaneError: If it does not end: only the end of this process frees its place then.
        """
        for worker in self._workers:
            ray.kill(worker, no_restart=True)
        self._thread.join(_DESTROY_SECONDS)
        if self._thread.is_alive():
            raise LaneError(f"the worker group did not end within {_DESTROY_SECONDS:g} s")
        self._shut_queues()

    def _shut_queues(self) -> None:
        self._work.shutdown(force=True)
        self._done.shutdown(force=True)

    def _fit(self, trainer: TorchTrainer) -> None:
        try:
            trainer.fit()
        except BaseException as error:
            self._failure = error


def _make_trainer(settings: LaneSettings, name: str, work: Queue, done: Queue) -> TorchTrainer:
    gpus = {"GPU": settings.gpu_fraction} if settings.gpu_fraction else {}
    return TorchTrainer(
        _serve,
        train_loop_config={"settings": settings, "work": work, "done": done},
        # nccl with GPUs, else gloo. A collective that waits longer than the lane may be silent
        # has lost a worker.
        torch_config=TorchConfig(timeout_s=max(1, int(settings.silence_seconds))),
        scaling_config=ScalingConfig(
            num_workers=settings.workers,
            use_gpu=settings.gpu_fraction > 0,
            resources_per_worker={"CPU": settings.cpus_per_worker} | gpus,
        ),
        # A stable name of its own: lanes never share Train's files.
        run_config=RunConfig(
            name=name,
            storage_path=str(settings.scratch),
            failure_config=FailureConfig(max_failures=0),
        ),
    )


def _serve(config: dict[str, Any]) -> None:
    serve_packs(config["settings"], config["work"], config["done"])
