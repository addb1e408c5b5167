"""Renders the manifest of one study: plain values, written as YAML."""

import re
from enum import StrEnum
from typing import Any, assert_never

import yaml

from orchestrator.deploy.compose import compose_study
from orchestrator.deploy.kuberay import CronTimes, ray_cron_job, ray_job, study_map
from orchestrator.deploy.plan import ClusterPlan, StudyText
from orchestrator.deploy.pods import Manifest

# Go's parsers read more as numbers and booleans than PyYAML does: a digest 4236e8123456 is a text.
_LOOKS_TYPED = re.compile(r"[-+.0-9].*|[yYnN]")


class Target(StrEnum):
    """What runs the study."""

    RAYJOB = "rayjob"
    RAYCRONJOB = "raycronjob"
    COMPOSE = "compose"


def build_documents(
    study: StudyText, target: Target, plan: ClusterPlan, times: CronTimes | None
) -> list[Manifest]:
    """Return the objects of a target; ``times`` are a RayCronJob's and there for it."""
    match target:
        case Target.RAYJOB:
            return [study_map(study), ray_job(study, plan)]
        case Target.RAYCRONJOB:
            assert times is not None, "the caller has checked it"
            return [study_map(study), ray_cron_job(study, plan, times)]
        case Target.COMPOSE:
            return [compose_study(study, plan.image)]
        case _:
            assert_never(target)


def to_yaml(documents: list[Manifest]) -> str:
    """Return documents as YAML, texts of several lines as blocks that people can read."""
    return yaml.dump_all(
        documents, Dumper=_BlockDumper, sort_keys=False, allow_unicode=True, width=100
    )


class _BlockDumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True  # anchors are YAML, but nobody expects them in a manifest


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    # PyYAML falls back to quotes where a block cannot hold the text unchanged.
    style = "|" if "\n" in text else "'" if _LOOKS_TYPED.fullmatch(text) else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_BlockDumper.add_representer(str, _represent_text)
