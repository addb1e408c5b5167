"""From what the user typed to the request that is submitted, every option checked. No Ray."""

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from orchestrator.cluster_address import is_this_machine
from orchestrator.errors import JobError
from orchestrator.job_request import JobRequest
from orchestrator.lane_plan import LaneRequest
from orchestrator.mlflow_store import URI_VARIABLE, Store
from search_spaces.study import Study


@dataclass(frozen=True, slots=True)
class JobOptions:
    """How to submit, as opposed to what; names as in ``ray job submit``.

    Attributes:
        results: Root folder of all studies' results.
        python: Interpreter on the cluster; None takes this one if the cluster is here.
        run_options: Options of ``rankfall run`` that are handed on.
        working_dir: Local folder or remote archive that holds the study; None ships it alone.
        runtime_env: Ray's runtime environment, without working directory.
        lanes: What ``run_options`` say of lanes and workers, for the plan.
    """

    results: Path
    python: str | None = None
    run_options: tuple[str, ...] = ()
    working_dir: str | None = None
    runtime_env: Mapping[str, Any] = field(default_factory=dict)
    entrypoint_num_cpus: float | None = None
    entrypoint_num_gpus: float | None = None
    entrypoint_memory: int | None = None
    lanes: LaneRequest = field(default_factory=LaneRequest)


def make_request(study: Study, given: str, options: JobOptions, url: str) -> JobRequest:
    """Return the request for a study.

    Args:
        study: The study with its overrides.
        given: Its file as the user named it.
        options: What else the user chose.
        url: The cluster's dashboard.

    Raises:
        JobError: If an option cannot work over there.
    """
    return JobRequest(
        study=study.name,
        digest=study.digest,
        text=study.source_text,
        path=_path_there(study, given, options.working_dir),
        overrides=study.overrides,
        results=str(require_absolute(options.results)),
        python=options.python or choose_python(url),
        run_options=options.run_options,
        tracking_uri=read_tracking_uri(),
        working_dir=_absolute(options.working_dir),
        runtime_env=dict(options.runtime_env),
        entrypoint_num_cpus=options.entrypoint_num_cpus,
        entrypoint_num_gpus=options.entrypoint_num_gpus,
        entrypoint_memory=options.entrypoint_memory,
    )


def require_absolute(results: Path) -> Path:
    """Return the folder.

    Raises:
        JobError: If it depends on where the process runs.
    """
    if results.is_absolute():
        return results
    raise JobError(
        f"--results {results}: a submitted study does not run in this folder: give an absolute "
        f"path on storage that the cluster's nodes see, e.g. --results {results.absolute()}"
    )


def choose_python(url: str) -> str:
    """Return this interpreter, if the cluster is on this machine.

    Raises:
        JobError: If it is not.
    """
    if is_this_machine(url):
        return sys.executable
    raise JobError(
        f"the cluster at {url} is another machine: name its interpreter that has Rankfall, e.g. "
        "--python /opt/rankfall/bin/python"
    )


def require_python(python: str | None) -> str | None:
    """Return the interpreter.

    Raises:
        JobError: If it is not absolute: Ray's ``python`` need not be the one with Rankfall.
    """
    if python is None or python.startswith("/"):
        return python
    raise JobError(f"--python {python}: expected an absolute path on the cluster")


def read_tracking_uri(environment: Mapping[str, str] = os.environ) -> str | None:
    """Return the MLflow store that the job shall write; None leaves it to the cluster.

    Raises:
        JobError: If it holds a password, or a path that means another file over there.
        TrackingError: If it is of an unsupported kind.
    """
    uri = environment.get(URI_VARIABLE, "").strip()
    if not uri:
        return None
    store = Store(uri, None)
    if store.redacted != uri:
        raise JobError(
            f"{URI_VARIABLE} holds a password, which everybody who sees the cluster could read: "
            "set it where the cluster's nodes start, and unset it here"
        )
    if store.sqlite_path is not None and not store.sqlite_path.is_absolute():
        raise JobError(f"{URI_VARIABLE}={uri}: expected an absolute path (four slashes)")
    return uri


def read_runtime_env(file: Path | None, text: str | None) -> dict[str, Any]:
    """Return the runtime environment of ``--runtime-env`` (YAML) or ``--runtime-env-json``.

    Raises:
        JobError: If both are given, or it cannot be read, or it is no mapping.
    """
    if file is not None and text is not None:
        raise JobError("--runtime-env and --runtime-env-json: give one of them")
    try:
        if file is not None:
            content = yaml.safe_load(file.read_text())
        else:
            content = {} if text is None else json.loads(text)
    except (OSError, ValueError, yaml.YAMLError) as error:
        reason = str(error).splitlines()[0]
        raise JobError(f"the runtime environment cannot be read: {reason}") from error
    if not isinstance(content, dict) or not isinstance(content.get("env_vars") or {}, dict):
        raise JobError("the runtime environment: expected a mapping, and env_vars to be one")
    return content


def _absolute(working_dir: str | None) -> str | None:
    """Return a local folder so that a later resume finds it from anywhere."""
    if working_dir is None or urlsplit(working_dir).scheme:
        return working_dir
    return str(Path(working_dir).resolve())


def _path_there(study: Study, given: str, working_dir: str | None) -> str:
    """Return the study's file as the job finds it from its working directory."""
    if working_dir is None:
        return f"{study.name}.yaml"
    file = Path(given)
    if urlsplit(working_dir).scheme:
        if file.is_absolute() or ".." in file.parts:
            raise JobError(f"{given}: expected the study's path inside {working_dir}")
        return given
    folder = Path(working_dir)
    if not folder.is_dir():
        raise JobError(f"--working-dir {working_dir}: there is no such folder")
    if not file.exists() or not file.resolve().is_relative_to(folder.resolve()):
        raise JobError(
            f"{given}: does not lie in --working-dir {working_dir}: put it there, or leave "
            "--working-dir out to ship the study alone"
        )
    return str(file.resolve().relative_to(folder.resolve()))
