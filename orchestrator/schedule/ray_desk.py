"""The scheduler's way to a Ray cluster: found again after it was away."""

from pathlib import Path
from urllib.parse import urlsplit

from orchestrator.errors import ClusterError, JobError
from orchestrator.job import Job
from orchestrator.job_request import JobRequest
from orchestrator.jobs import JobCluster
from orchestrator.shipping import packed, with_tracking


class RayDesk:
    """Ray Jobs of one cluster; see :class:`orchestrator.schedule.roles.Cluster`.

    Args:
        address: See :meth:`JobCluster.connect`.
        tracking_uri: MLflow's store for studies that name none; None leaves it to the cluster.
    """

    def __init__(self, address: str | None, tracking_uri: str | None) -> None:
        self._address = address
        self._tracking_uri = tracking_uri
        self._cluster: JobCluster | None = None

    def jobs(self) -> list[Job]:
        """Return the studies that the cluster knows."""
        try:
            return self._connect().jobs()
        except ClusterError:
            # A head that is started anew may be another version, elsewhere: find it again.
            self._cluster = None
            raise

    def deliver(self, job_id: str, request: JobRequest) -> None:
        """Hand a study over under this id; one that the cluster has already is left alone."""
        folder = request.working_dir
        if folder is not None and not urlsplit(folder).scheme and not Path(folder).is_dir():
            raise JobError(f"its working directory {folder} is not there any more")
        request = with_tracking(request, self._tracking_uri)
        with packed(request) as study_folder:
            self._connect().submit_as(job_id, request, study_folder)

    def stop(self, job_id: str) -> None:
        """Ask a study to end well, and return at once."""
        self._connect().stop(job_id)

    def _connect(self) -> JobCluster:
        self._cluster = self._cluster or JobCluster.connect(self._address)
        return self._cluster
