"""``rankfall deploy render``: reads the study, checks the wishes, writes the manifest."""

from dataclasses import dataclass
from pathlib import Path

from orchestrator.command_read import locate_study
from orchestrator.deploy.kuberay import CronTimes
from orchestrator.deploy.plan import ClusterPlan, StudyText
from orchestrator.deploy.render import Target, build_documents, to_yaml
from orchestrator.errors import DeployError
from orchestrator.schedule.fire_times import parse_cron
from search_spaces.load import parse_study
from search_spaces.study_text import read_study_text


@dataclass(frozen=True, slots=True)
class RenderWish:
    """What the user asked for; ``cron`` and ``zone`` as typed."""

    target: Target
    plan: ClusterPlan
    cron: str | None
    zone: str | None


def render_study(name: str, wish: RenderWish) -> str:
    """Return the manifest of a study as YAML.

    Raises:
        StudyFileError: If there is no such study, or it is not valid.
        DeployError, ScheduleError: If it cannot be deployed as asked.
    """
    path = locate_study(name)
    text = read_study_text(path)
    # Its data and weights need not be here, only where it will run.
    study = parse_study(text, str(path), is_recorded=True)
    times = _read_times(wish)
    if times is not None and study.prior is not None:
        raise DeployError(
            f"study {study.name} starts from {study.prior}, which no firing would find in its own "
            "results folder: use --target rayjob, or leave 'prior' out"
        )
    deployed = StudyText(study.name, study.digest, text)
    return to_yaml(build_documents(deployed, wish.target, wish.plan, times))


def write_manifest(text: str, path: Path) -> None:
    """Write a manifest.

    Raises:
        DeployError: If the file cannot be written.
    """
    try:
        path.write_text(text)
    except OSError as error:
        raise DeployError(f"--out {path}: cannot be written ({error.strerror})") from error


def _read_times(wish: RenderWish) -> CronTimes | None:
    if wish.target is not Target.RAYCRONJOB:
        for option, value in (("--cron", wish.cron), ("--tz", wish.zone)):
            if value is not None:
                raise DeployError(f"{option} goes with --target raycronjob, got {wish.target}")
        return None
    if wish.cron is None:
        raise DeployError('--target raycronjob needs --cron, e.g. --cron "0 2 * * *"')
    fields = wish.cron.split()
    if len(fields) != 5:
        raise DeployError(
            f"--cron {wish.cron!r}: KubeRay reads five fields (minute hour day month weekday), got "
            f"{len(fields)}"
        )
    parse_cron(wish.cron, wish.zone or "UTC")
    return CronTimes(" ".join(fields), wish.zone)
