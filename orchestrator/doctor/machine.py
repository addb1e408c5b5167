"""This machine: disk, shared memory, ports, processors."""

import os
import shutil
import socket
from pathlib import Path

from orchestrator.doctor.finding import Finding, Health
from orchestrator.errors import FolderError
from orchestrator.folder import StudyFolder

GIB = 2**30
LITTLE_DISK, NO_DISK = 5 * GIB, GIB // 2
LITTLE_SHARED = 2 * GIB
"""Ray's object store falls back to files where shared memory is short; Docker gives 64 MB."""


def check_disk(results: Path) -> Finding:
    """Return whether results can be written, and how much fits."""
    folder = StudyFolder(results.absolute() / ".doctor")
    try:
        folder.discard(folder.create())
    except FolderError as error:
        return Finding("disk", Health.FAIL, str(error), "choose a folder with --results")
    there = next(
        path for path in (results.absolute(), *results.absolute().parents) if path.is_dir()
    )
    free = shutil.disk_usage(there).free
    told = f"{free / GIB:.1f} GiB free at {results}"
    if free < NO_DISK:
        return Finding("disk", Health.FAIL, told, "free some, or choose a folder with --results")
    if free < LITTLE_DISK:
        return Finding("disk", Health.WARN, told, "a study with checkpoints may need more")
    return Finding("disk", Health.OK, told)


def check_shared_memory(folder: Path = Path("/dev/shm")) -> Finding:
    """Return whether Ray's object store has the memory that it likes."""
    name = "shared memory"
    if not folder.is_dir():
        return Finding(name, Health.OK, f"no {folder} on this system: Ray uses files")
    free = shutil.disk_usage(folder).free
    told = f"{free / GIB:.1f} GiB free at {folder}"
    if free < LITTLE_SHARED:
        mend = "Ray will be slow: free some, or give a container more with --shm-size=4g"
        return Finding(name, Health.WARN, told, mend)
    return Finding(name, Health.OK, told)


def check_port(name: str, port: int, option: str) -> Finding:
    """Return whether 'rankfall serve' could listen at a port of this machine."""
    check = f"port {port}"
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError:
        mend = f"if that is not your own service: rankfall serve {option} ANOTHER"
        return Finding(check, Health.WARN, f"taken: {name} cannot go there", mend)
    return Finding(check, Health.OK, f"free for {name}")


def check_processors() -> Finding:
    """Return what this machine computes with, and whether torch sees the graphics cards."""
    import torch  # noqa: PLC0415 (takes a second)

    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    told = f"{cpus} CPUs, {gpus} GPUs"
    if gpus == 0 and Path("/dev/nvidia0").exists():
        mend = "torch cannot use it: pip install the CUDA build of torch, or mend the driver"
        return Finding("processors", Health.WARN, f"{told}, but there is /dev/nvidia0", mend)
    return Finding("processors", Health.OK, told)
