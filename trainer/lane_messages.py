"""What a lane's driver and its workers say to each other, and how a lane is set up (no Ray)."""

from dataclasses import dataclass
from pathlib import Path

from trainer.cohort import Outcome
from trainer.loop import Progress


@dataclass(frozen=True, slots=True)
class WorkerUp:
    """A worker is ready to take packs. ``handle``: its Ray actor, to be killed if it hangs."""

    rank: int
    handle: object


@dataclass(frozen=True, slots=True)
class PackTaken:
    """A worker took a pack and begins to load its data."""

    pack_id: str


@dataclass(frozen=True, slots=True)
class PackProgress:
    """Where a running pack stands. ``is_start``: before the first step of this attempt."""

    pack_id: str
    progress: Progress
    is_start: bool


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


Message = WorkerUp | PackTaken | PackProgress | PackDone | PackFailed


@dataclass(frozen=True, slots=True)
class LaneSettings:
    """Size and place of a lane.

    Attributes:
        workers: Processes that train packs side by side, at least 1.
        cpus_per_worker: Logical CPUs that each of them reserves.
        gpu_fraction: Share of a GPU, and of its memory, for each, in (0, 1]; 0 trains on the CPU.
        outbox: Folder for outcomes; on a cluster a path that all nodes share.
        checkpoints: Folder for checkpoints, shared alike.
        scratch: Folder for Ray Train's own files; worthless after the sweep.
        checkpoint_seconds: Time between two checkpoints of a pack; 0 writes one at every check.
        silence_seconds: A lane that is at work and gives no sign of life for so long is taken
            down. Workers give one twice a second, but never within a step, nor while they
            measure or load data.
    """

    workers: int
    cpus_per_worker: float
    gpu_fraction: float
    outbox: Path
    checkpoints: Path
    scratch: Path
    checkpoint_seconds: float
    silence_seconds: float
