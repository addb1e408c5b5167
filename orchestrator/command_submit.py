"""``rankfall submit``, ``resume`` and ``retry``: studies handed to a Ray cluster by Ray Jobs."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Group, RenderableType
from rich.text import Text

from orchestrator.command_plan import plan_study, show_plan, that_cluster
from orchestrator.command_read import find_study, locate_study
from orchestrator.errors import ClusterError, EarlierTimesError, JobError
from orchestrator.folder import StudyFolder
from orchestrator.job import Job, find_job
from orchestrator.job_options import JobOptions, make_request, require_absolute
from orchestrator.job_request import JobRequest, split_id
from orchestrator.jobs import JobCluster
from orchestrator.ledger import Ledger
from orchestrator.planners.forecast import forecast
from orchestrator.record import TrialState
from orchestrator.shipping import packed
from orchestrator.timed_by import TimedBy
from search_spaces.errors import StudyFileError
from search_spaces.load import parse_study
from search_spaces.study import Study
from search_spaces.study_text import read_study_text

Confirm = Callable[[RenderableType], bool]


@dataclass(frozen=True, slots=True)
class Submitted:
    """A study that a cluster took in."""

    cluster: JobCluster
    id: str
    request: JobRequest


def submit_study(
    name: str,
    overrides: Sequence[str],
    options: JobOptions,
    address: str | None,
    confirm: Confirm | None,
) -> Submitted | None:
    """Submit a study under its next free id.

    Args:
        name: Study file, or a shipped study's name.
        overrides: ``path=value`` each.
        options: How to submit.
        address: See :meth:`JobCluster.connect`.
        confirm: Is shown the plan, and says whether to go on; None asks nobody.

    Returns:
        The job; None if the answer was no.

    Raises:
        SearchSpaceError, OrchestratorError: What the user can mend; nothing was submitted.
    """
    require_absolute(options.results)
    study, obstacle = read_study(name, overrides)
    cluster = JobCluster.connect(address)
    request = make_request(study, name, options, cluster.url)
    if options.python is None:
        cluster.require_same_python()
        if obstacle is not None:
            raise obstacle
    _require_idle(request, cluster.jobs())
    if confirm is not None and not confirm(_show_plan(study, request, options, cluster, obstacle)):
        return None
    return _ship(cluster, request)


def resume_study(target: str, options: JobOptions, address: str | None) -> Submitted:
    """Submit a study once more: it goes on with its ledger.

    Args:
        target: Id of a job, or a study's name: its latest job, or its ledger below the results
            where the cluster forgot it (its head was started anew).
        options: What is given here replaces what was submitted; ``results`` finds the ledger.
        address: See :meth:`JobCluster.connect`.

    Raises:
        OrchestratorError: What the user can mend; nothing was submitted.
    """
    cluster = JobCluster.connect(address)
    jobs = cluster.jobs()
    request, above = _find_request(target, jobs, options, cluster.url)
    if request.python == options.python or options.python is None:
        cluster.require_same_python()
    _require_idle(request, jobs)
    return _ship(cluster, request, above)


def retry_study(study: str, options: JobOptions, address: str | None) -> Submitted | None:
    """Submit a study once more if some of its trials are missing.

    Returns:
        The job; None if its ledger can be seen from here and misses none.
    """
    path = StudyFolder(options.results / study).ledger
    if path.is_file():
        states = [record.state for record in Ledger.load(path).records()]
        if TrialState.MISSING not in states:
            return None
    return resume_study(study, options, address)


def read_study(name: str, overrides: Sequence[str]) -> tuple[Study, StudyFileError | None]:
    """Return the study, and what keeps it from being trained here: its data may be over there."""
    try:
        return find_study(name, overrides), None
    except StudyFileError as error:
        path = locate_study(name)
        text = read_study_text(path)
        return parse_study(text, str(path), overrides, is_recorded=True), error


def _show_plan(
    study: Study,
    request: JobRequest,
    options: JobOptions,
    cluster: JobCluster,
    obstacle: StudyFileError | None,
) -> RenderableType:
    where = Text(f"Runs on {cluster.url} with {request.python}; results in {request.results}.")
    # Data that are not here cannot be probed with.
    timed_by = TimedBy.AUTO if obstacle is None else TimedBy.EARLIER
    try:
        place = that_cluster(cluster)
        plan = plan_study(study, place, options.lanes, options.results, timed_by)
    except (ClusterError, EarlierTimesError) as error:
        # A cluster may grow; whoever is asked may know.
        expected = forecast(study)
        reason = f"not timed: {error}"
        if isinstance(error, EarlierTimesError) and obstacle is not None and obstacle.problems:
            reason = f"not timed, for here {obstacle.problems[0].message}"
        words = f"{expected.trials} trials in {expected.rounds} rounds; {reason}."
        return Group(Text(words), where)
    return Group(show_plan(plan), where)


def _require_idle(request: JobRequest, jobs: Sequence[Job]) -> None:
    for job in jobs:
        is_same = job.request is not None and job.request.results == request.results
        if is_same and job.study == request.study and not job.has_ended:
            raise JobError(
                f"{job.id} is {job.state.lower()} and writes the same ledger: wait for it, stop it "
                f"with 'rankfall cancel {job.id}', or give this study another --name"
            )


def _find_request(
    target: str, jobs: Sequence[Job], options: JobOptions, url: str
) -> tuple[JobRequest, int]:
    """Return what to submit again, and the number that its new id must exceed."""
    try:
        job = find_job(target, jobs)
    except JobError:
        if (found := _find_ledger(target, options.results)) is None:
            raise
        study, number = found
        return make_request(study, f"{study.name}.yaml", options, url), number
    if job.request is None:
        raise JobError(f"{job.id} was submitted by another version of Rankfall: submit it anew")
    return _renew(job.request, options), split_id(job.id)[1]


def _find_ledger(target: str, results: Path) -> tuple[Study, int] | None:
    for name, number in ((target, 0), split_id(target)):
        path = StudyFolder(results / name).ledger
        if path.is_file():
            return Ledger.load(path).study, number
    return None


def _renew(request: JobRequest, options: JobOptions) -> JobRequest:
    """Return a request with what was given anew, and with what did not travel."""
    given: dict[str, object] = {
        "python": options.python,
        "run_options": options.run_options,
        "working_dir": options.working_dir,
        "runtime_env": dict(options.runtime_env),
        "entrypoint_num_cpus": options.entrypoint_num_cpus,
        "entrypoint_num_gpus": options.entrypoint_num_gpus,
        "entrypoint_memory": options.entrypoint_memory,
        "text": request.text or _text_in_ledger(request),
    }
    lacking = {
        "--working-dir": not options.working_dir,
        "--runtime-env-json": not options.runtime_env,
    }
    wanted = [option for option in request.withheld if lacking[option]]
    if wanted:
        raise JobError(
            f"{request.study} was submitted with {' and '.join(wanted)}, which may hold secrets "
            "and were not kept: give them again"
        )
    return request.model_copy(update={k: v for k, v in given.items() if v} | {"withheld": ()})


def _text_in_ledger(request: JobRequest) -> str | None:
    path = StudyFolder(Path(request.results) / request.study).ledger
    return Ledger.load(path).study.source_text if path.is_file() else None


def _ship(cluster: JobCluster, request: JobRequest, above: int = 0) -> Submitted:
    with packed(request) as folder:
        return Submitted(cluster, cluster.submit(request, folder, above), request)
