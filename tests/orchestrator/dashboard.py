"""A dashboard that takes jobs in as Ray's does, on a real HTTP server, and runs none of them."""

import json
import platform
from typing import Any

import ray

from tests.orchestrator.http_servers import Answer, Reply, python_version, version
from tests.orchestrator.test_job_request import REQUEST

GOOD = version(ray.__version__)
VERSION, JOBS = "GET /api/version", "GET /api/jobs/"
NODES = "GET /api/v0/nodes?detail=true&limit=10000"


def details(job_id: str | None, **changes: object) -> dict[str, object]:
    """Return a job as a dashboard lists it."""
    content = {
        "type": "SUBMISSION",
        "submission_id": job_id,
        "status": "RUNNING",
        "entrypoint": REQUEST.entrypoint,
        "metadata": REQUEST.metadata,
        "start_time": 1_700_000_000_000,
    }
    return {**content, **changes}


class Dashboard:
    """Takes jobs in as Ray does: an id only once; somebody else takes ``stolen`` meanwhile.

    ``nodes``: what each living one offers; None answers with what no dashboard says.
    """

    def __init__(self, *ids: str, stolen: tuple[str, ...] = ()) -> None:
        self.ids = list(ids)
        self.stolen = list(stolen)
        self.taken: list[dict[str, Any]] = []
        self.changes: dict[str, Any] = {}
        self.nodes: list[dict[str, float]] | None = None

    def answers(self) -> dict[str, Answer]:
        """Return what it answers, for :func:`serving`."""
        return {
            VERSION: GOOD,
            "GET /api/v0/cluster_metadata": python_version(platform.python_version()),
            JOBS: self._list,
            "POST /api/jobs/": self._take,
            NODES: self._describe_nodes,
        }

    def _describe_nodes(self, _body: str) -> Reply:
        if self.nodes is None:
            return 200, "{}"
        alive = [{"state": "ALIVE", "resources_total": offer} for offer in self.nodes]
        return 200, json.dumps({"data": {"result": {"result": alive}}})

    def _list(self, _body: str) -> Reply:
        known = {job["submission_id"]: job for job in self.taken}
        return 200, json.dumps(
            [details(i, **self.changes, **_kept(known.get(i))) for i in self.ids]
        )

    def _take(self, body: str) -> Reply:
        job = json.loads(body)
        if self.stolen:
            self.ids.append(self.stolen.pop(0))
        if job["submission_id"] in self.ids:
            return 500, f"ValueError: Job with submission_id {job['submission_id']} already exists."
        self.ids.append(job["submission_id"])
        self.taken.append(job)
        return 200, json.dumps({"submission_id": job["submission_id"], "job_id": "x"})


def _kept(job: dict[str, Any] | None) -> dict[str, Any]:
    return {} if job is None else {name: job[name] for name in ("metadata", "entrypoint")}
