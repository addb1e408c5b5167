"""What is handed to Ray Jobs for a study: its command, its environment, its id.

The request travels as the job's metadata, so that whoever sees the cluster can submit the study
once more. Everybody who sees the dashboard can read metadata: a ``runtime_env`` and a remote
archive's address may hold secrets, so of these only the names travel. No Ray import.
"""

import re
import shlex
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from orchestrator.mlflow_store import URI_VARIABLE

STUDY_KEY, REQUEST_KEY = "rankfall.study", "rankfall.request"
STOP_SECONDS = 300
"""How long a cancelled job may take to end well before Ray kills it."""

MOST_TEXT = 32_768
"""Longest study text that travels: Ray hands the metadata over in one environment variable."""

_STOP_VARIABLE = "RAY_JOB_STOP_WAIT_TIME_S"


class JobRequest(BaseModel):
    """A study as it is submitted.

    Attributes:
        study: Its name.
        digest: What it asks.
        text: Its file's content; None if it is too long to travel.
        path: Its file, relative to the job's working directory.
        overrides: ``path=value`` each, in order.
        results: Absolute folder of all studies' results, on storage that the cluster sees.
        python: Interpreter on the cluster, absolute.
        run_options: Further options of ``rankfall run``.
        tracking_uri: MLflow's store, without password; None leaves it to the cluster.
        working_dir: Folder or archive that holds the file; None ships the file alone.
        runtime_env: What the user wants of Ray besides.
        withheld: Settings of an earlier request that did not travel and have to be given again.
        entrypoint_num_cpus: CPUs set aside for the job's own process.
        entrypoint_num_gpus: Likewise GPUs.
        entrypoint_memory: Likewise bytes.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    study: str
    digest: str
    text: str | None
    path: str
    overrides: tuple[str, ...] = ()
    results: str
    python: str
    run_options: tuple[str, ...] = ()
    tracking_uri: str | None = None
    working_dir: str | None = None
    runtime_env: dict[str, Any] = {}
    withheld: tuple[str, ...] = ()
    entrypoint_num_cpus: float | None = None
    entrypoint_num_gpus: float | None = None
    entrypoint_memory: int | None = None

    @property
    def entrypoint(self) -> str:
        """The shell command; ``exec``, so that the signal to stop reaches the study itself."""
        settings = (word for override in self.overrides for word in ("--set", override))
        words = (self.python, "-m", "orchestrator", "run", self.path, "--results", self.results)
        return "exec " + shlex.join([*words, *settings, *self.run_options])

    @property
    def environment(self) -> dict[str, Any]:
        """Ray's ``runtime_env`` without working directory; what the user set there wins."""
        variables = {_STOP_VARIABLE: str(STOP_SECONDS)}
        if self.tracking_uri is not None:
            variables[URI_VARIABLE] = self.tracking_uri
        variables |= self.runtime_env.get("env_vars") or {}
        # No py_executable: Ray needs minutes to notice that it cannot start one, and says nothing.
        return {**self.runtime_env, "env_vars": variables}

    @property
    def metadata(self) -> dict[str, str]:
        """What the job carries about itself, without what may be secret."""
        hidden: dict[str, Any] = {"runtime_env": {}, "withheld": self._secrets()}
        if "--working-dir" in hidden["withheld"]:
            hidden["working_dir"] = None
        if self.text is not None and len(self.text) > MOST_TEXT:
            hidden["text"] = None
        travels = self.model_copy(update=hidden)
        return {STUDY_KEY: self.study, REQUEST_KEY: travels.model_dump_json()}

    def _secrets(self) -> tuple[str, ...]:
        is_remote = self.working_dir is not None and "://" in self.working_dir
        found = {"--working-dir": is_remote, "--runtime-env-json": bool(self.runtime_env)}
        return tuple(option for option, given in found.items() if given)


def read_request(metadata: Mapping[str, str] | None) -> JobRequest | None:
    """Return the request that a job carries; None for jobs of others or of other versions."""
    try:
        return JobRequest.model_validate_json((metadata or {}).get(REQUEST_KEY, ""))
    except ValidationError:
        return None


def next_number(study: str, ids: Iterable[str]) -> int:
    """Return 1 more than the highest n among the ids ``<study>-<n>``; 1 where there is none."""
    return 1 + max((n for name, n in map(split_id, ids) if name == study), default=0)


def split_id(job_id: str) -> tuple[str, int]:
    """Return study and number of an id; the number is 0 where it is no id but a name."""
    found = re.fullmatch(r"(.+)-([1-9][0-9]*)", job_id)
    return (found[1], int(found[2])) if found else (job_id, 0)
