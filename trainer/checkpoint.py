"""Checkpoints of packs: one safetensors file each, whole or absent, trusted only after a check.

The file holds the tensors, and as metadata a record in JSON: where the pack stood, whose it is,
and a SHA-256 digest of all of this. A checkpoint that is torn, that another pack, version or
device wrote, or that cannot be read is ignored with a logged reason: training then begins anew,
which costs time and changes nothing.
"""

import hashlib
import json
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from trainer.cohort import Cohort
from trainer.durable import write_durably
from trainer.errors import CheckpointError
from trainer.last_call import LastCall

_LOG = logging.getLogger(__name__)
_FORMAT = "rankfall-checkpoint-1"
_METADATA = "rankfall"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Where a pack stood after a check.

    Attributes:
        step: Optimiser steps done by the members still training.
        member_steps: Steps summed over all members, those that left included.
        seconds: Training time so far, in all attempts.
        members: Trial keys of the members still training, in the order of the stack.
        logbook: What was written down about every member, as JSON.
        tensors: State of the stack.
    """

    step: int
    member_steps: int
    seconds: float
    members: tuple[str, ...]
    logbook: str
    tensors: Mapping[str, Tensor]


@dataclass(frozen=True, slots=True)
class Checkpoints:
    """A folder of checkpoints; on a cluster a path that all nodes share.

    Attributes:
        folder: Where they lie; made when the first is written.
        every_seconds: Time between two checkpoints of a pack, at least; 0 writes one after
            every check.
        read_clock: Seconds, monotonic.
    """

    folder: Path
    every_seconds: float = 60.0
    read_clock: Callable[[], float] = time.monotonic

    def of(self, pack: Cohort, device: torch.device, dtype: torch.dtype) -> "CheckpointFile":
        """Return the pack's checkpoint, which need not exist yet."""
        return CheckpointFile(
            self._path(pack.cohort_id),
            _key(pack, device, dtype),
            self.every_seconds,
            self.read_clock,
            LastCall(self.folder),
        )

    def remove(self, pack_id: str) -> None:
        """Remove the checkpoints of a pack and its halves: call when its outcomes are on disk."""
        for path in self.folder.glob(f"{pack_id}.*"):
            path.unlink(missing_ok=True)

    def _path(self, pack_id: str) -> Path:
        return self.folder / f"{pack_id}.safetensors"


@dataclass(slots=True)
class CheckpointFile:
    """The checkpoint of one pack.

    Attributes:
        key: What it must have been written for.
        last_call: Asks for one more, whenever the last was written.
    """

    path: Path
    key: str
    every_seconds: float
    read_clock: Callable[[], float]
    last_call: LastCall
    _written_at: float = field(init=False)
    _has_answered: bool = False

    def __post_init__(self) -> None:
        """Start the clock: the first checkpoint is due after ``every_seconds``."""
        self._written_at = self.read_clock()

    @property
    def is_due(self) -> bool:
        """Whether the last checkpoint is old enough for a new one, or none will follow."""
        if self.read_clock() - self._written_at >= self.every_seconds:
            return True
        return not self._has_answered and self.last_call.is_made

    def write(self, checkpoint: Checkpoint) -> None:
        """Replace the checkpoint; one that cannot be written is logged and costs nothing else."""
        self._has_answered = self.last_call.is_made
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            write_durably(self.path, encode(checkpoint, self.key))
        except OSError as error:
            _LOG.warning("%s: no checkpoint could be written: %s", self.path, error)
        self._written_at = self.read_clock()

    def read(self) -> Checkpoint | None:
        """Return the checkpoint; None, with a logged reason, where there is none to trust."""
        if not self.path.exists():
            return None
        try:
            return decode(self.path, self.key)
        except CheckpointError as error:
            self.distrust(str(error))
        return None

    def distrust(self, reason: str) -> None:
        """Log why the checkpoint is not used."""
        _LOG.warning("%s is ignored, the pack begins anew: %s", self.path, reason)


def encode(checkpoint: Checkpoint, key: str) -> bytes:
    """Return a checkpoint as the content of a safetensors file."""
    tensors = {name: t.detach().cpu().contiguous() for name, t in checkpoint.tensors.items()}
    record = {
        "format": _FORMAT,
        "key": key,
        "step": checkpoint.step,
        "member_steps": checkpoint.member_steps,
        "seconds": checkpoint.seconds,
        "members": checkpoint.members,
        "logbook": checkpoint.logbook,
    }
    text = json.dumps(record)
    return save(tensors, {_METADATA: text, "sha256": _digest(text, tensors)})


def decode(path: Path, key: str) -> Checkpoint:
    """Read the file that :func:`encode` made.

    Raises:
        CheckpointError: If it is torn, cannot be read, is of another format, or was not written
            for ``key``.
    """
    try:
        with safe_open(path, framework="pt") as file:
            metadata: dict[str, str] = file.metadata() or {}
            # Copies: the file's own memory has not the alignment that training's tensors have.
            tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"it cannot be read ({error})") from error
    text = metadata.get(_METADATA, "")
    if metadata.get("sha256") != _digest(text, tensors):
        raise CheckpointError("its content does not have the digest that was written with it")
    record = json.loads(text)
    if record["format"] != _FORMAT:
        raise CheckpointError(f"its format is {record['format']}, not {_FORMAT}")
    if record["key"] != key:
        raise CheckpointError("it belongs to another pack, version, device or number format")
    return Checkpoint(
        step=record["step"],
        member_steps=record["member_steps"],
        seconds=record["seconds"],
        members=tuple(record["members"]),
        logbook=record["logbook"],
        tensors=tensors,
    )


def _key(pack: Cohort, device: torch.device, dtype: torch.dtype) -> str:
    """Return a digest of all that a pack's numbers depend on, but its name."""
    content: dict[str, Any] = {
        "pack": pack.model_dump(mode="json", by_alias=True, exclude={"cohort_id"}),
        "versions": [version("rankfall"), torch.__version__],
        "where": [device.type, str(dtype)],
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _digest(text: str, tensors: Mapping[str, Tensor]) -> str:
    digest = hashlib.sha256(text.encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
