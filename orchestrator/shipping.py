"""What a job's working directory holds when it is handed to Ray: the study's file, if need be."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from orchestrator.errors import JobError
from orchestrator.job_request import JobRequest


@contextmanager
def packed(request: JobRequest) -> Iterator[Path]:
    """Hold a folder with the study's file in it, for requests without a folder of their own.

    Raises:
        JobError: If the file's text did not travel with the request.
    """
    with tempfile.TemporaryDirectory(prefix="rankfall-") as folder:
        if request.working_dir is None:
            if request.text is None:
                raise JobError(
                    f"the text of {request.study} was too long to travel, and its ledger cannot "
                    "be seen from here: submit its file"
                )
            (Path(folder) / request.path).write_text(request.text)
        yield Path(folder)


def with_tracking(request: JobRequest, tracking_uri: str | None) -> JobRequest:
    """Return the request with an MLflow store, if it names none and there is one."""
    if request.tracking_uri is not None or tracking_uri is None:
        return request
    return request.model_copy(update={"tracking_uri": tracking_uri})
