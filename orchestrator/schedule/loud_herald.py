"""Tells that a boundary moved: a line in the log, a tag on the study's MLflow run, a webhook.

The webhook's address is read from ``RANKFALL_WEBHOOK`` and nowhere written: such addresses are
secrets. It gets one POST of JSON, see :func:`make_message`.
"""

import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests

from orchestrator.errors import OrchestratorError, ScheduleError
from orchestrator.folder import StudyFolder
from orchestrator.job_request import JobRequest
from orchestrator.mlflow_store import URI_VARIABLE, hold_store, locate_store
from orchestrator.schedule.schedule import Firing
from orchestrator.shipping import with_tracking

WEBHOOK_VARIABLE = "RANKFALL_WEBHOOK"
MOVED_TAG = "rankfall.boundary_moved"
_TIMEOUT_SECONDS = (5.0, 10.0)  # to connect, to answer
_LOG = logging.getLogger("rankfall.schedule")


class LoudHerald:
    """Tells everybody who can be reached; see :class:`orchestrator.schedule.roles.Herald`.

    Args:
        tracking_uri: MLflow's store for studies that name none, as for :class:`RayDesk`.
        webhook: Where to POST; None posts nothing.
    """

    def __init__(self, tracking_uri: str | None, webhook: str | None) -> None:
        self._tracking_uri = tracking_uri
        self._webhook = webhook

    def announce(self, firing: Firing) -> None:
        """Tell that a boundary moved; what cannot be reached is logged, and not tried again."""
        moved = firing.describe_moved()
        _LOG.warning("%s: the critical learning rate moved: %s", firing.job_id, moved)
        try:
            tag_study(with_tracking(firing.request, self._tracking_uri), moved)
        # MLflow lets anything through; the move is in the store whatever happens here.
        except Exception as error:
            reason = (str(error) or type(error).__name__).splitlines()[0]
            _LOG.warning("%s: its MLflow run could not be tagged: %s", firing.job_id, reason)
        if self._webhook is not None:
            _post(self._webhook, firing)


def read_webhook(environment: Mapping[str, str] = os.environ) -> str | None:
    """Return the webhook's address.

    Raises:
        ScheduleError: If it is none; the text does not show it.
    """
    url = environment.get(WEBHOOK_VARIABLE, "").strip()
    if not url:
        return None
    if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname:
        raise ScheduleError(f"{WEBHOOK_VARIABLE}: expected an address that begins with https://")
    return url


def make_message(firing: Firing) -> dict[str, Any]:
    """Return what the webhook gets."""
    return {
        "schedule": firing.schedule,
        "study": firing.request.study,
        "job": firing.job_id,
        "fire_time": firing.fire_time.isoformat(),
        "results": firing.request.results,
        "allowed_decades": firing.alert_decades,
        "moves": [{"slice": move.slice, "decades": move.decades} for move in firing.moves],
        # What chat services show.
        "text": f"{firing.job_id}: the critical learning rate moved: {firing.describe_moved()}",
    }


def tag_study(request: JobRequest, moved: str) -> None:
    """Tag the study's parent run; raises whatever MLflow lets through."""
    # These load torch and MLflow.
    from orchestrator.ledger import Ledger  # noqa: PLC0415
    from orchestrator.mlflow_runs import MlflowRuns  # noqa: PLC0415
    from orchestrator.tracking import find_parents  # noqa: PLC0415

    if "--no-mlflow" in request.run_options:
        return
    root = Path(request.results)
    named = os.environ if request.tracking_uri is None else {URI_VARIABLE: request.tracking_uri}
    store = locate_store(root, named)
    ledger = Ledger.load(StudyFolder(root / request.study).ledger)
    with hold_store(store):
        runs = MlflowRuns(store)
        parents = find_parents(runs, ledger.study, ledger.identity)
        if not parents:
            raise OrchestratorError(f"there is none of {request.study} at {store.redacted}")
        for parent in parents:
            runs.log(parent.run_id, {}, {MOVED_TAG: moved}, ())


def _post(url: str, firing: Firing) -> None:
    try:
        answer = requests.post(url, json=make_message(firing), timeout=_TIMEOUT_SECONDS)
        answer.raise_for_status()
    except requests.RequestException as error:
        # Its text holds the address.
        status = "" if error.response is None else f" {error.response.status_code}"
        kind = type(error).__name__
        _LOG.warning("%s: the webhook did not take it (%s%s)", firing.job_id, kind, status)
