"""The service's scheduler, and how studies at work are ended with it. Imports Ray."""

import logging
import threading
import time

import sqlalchemy as sa

from orchestrator.errors import OrchestratorError
from orchestrator.schedule.clock import SystemClock
from orchestrator.schedule.ledger_reader import LedgerReader
from orchestrator.schedule.loud_herald import LoudHerald
from orchestrator.schedule.ray_desk import RayDesk
from orchestrator.schedule.scheduler import Scheduler

STUDIES_SECONDS = 60.0
"""How long studies at work may take to write their checkpoints when the service is stopped."""

_LOG = logging.getLogger("rankfall.schedule")


def run_scheduler(
    store: sa.Engine,
    address: str | None,
    tracking_uri: str | None,
    webhook: str | None,
    stop: threading.Event,
    *,
    ends_studies: bool,
) -> None:
    """Schedule until told to stop; then, if the cluster ends with us, end its studies well."""
    desk = RayDesk(address, tracking_uri)
    herald = LoudHerald(tracking_uri, webhook)
    scheduler = Scheduler(store, desk, SystemClock(), LedgerReader(), herald)
    scheduler.run(stop)
    if not ends_studies:
        return
    try:
        end_studies(desk)
        scheduler.hand_back()
    except OrchestratorError as error:
        # The next scheduler finds out what the new head does not know.
        _LOG.warning("studies at work could not be ended well: %s", error)


def end_studies(desk: RayDesk, timeout_seconds: float = STUDIES_SECONDS) -> None:
    """Ask every study at work to end, and wait until they have, or for a minute."""
    at_work = [job.id for job in desk.jobs() if not job.has_ended]
    for job_id in at_work:
        _LOG.info("%s is asked to write its checkpoints", job_id)
        desk.stop(job_id)
    deadline = time.monotonic() + timeout_seconds
    while at_work and time.monotonic() < deadline:
        time.sleep(0.5)
        at_work = [job.id for job in desk.jobs() if not job.has_ended]
    for job_id in at_work:
        _LOG.warning("%s takes longer and is killed; it goes on from older checkpoints", job_id)
