"""Writes the manifests of this folder: what ``rankfall deploy render demo`` renders, and a cluster.

Run it after a change of ``orchestrator/deploy`` or of the demo: ``python deploy/kuberay/write.py``.
A test holds the files to it.
"""

from pathlib import Path

from orchestrator.command_deploy import RenderWish, render_study
from orchestrator.deploy.kuberay import ray_cluster
from orchestrator.deploy.plan import ClusterPlan, default_image
from orchestrator.deploy.render import Target, to_yaml

FOLDER = Path(__file__).parent
NIGHTLY = "0 2 * * *"


def manifests() -> dict[str, str]:
    """Return the files of this folder that are made, by name."""
    plan = ClusterPlan(default_image())
    now = RenderWish(Target.RAYJOB, plan, None, None)
    nightly = RenderWish(Target.RAYCRONJOB, plan, NIGHTLY, "Etc/UTC")
    return {
        "raycluster.yaml": to_yaml([ray_cluster(plan)]),
        "rayjob.yaml": render_study("demo", now),
        "raycronjob.yaml": render_study("demo", nightly),
    }


if __name__ == "__main__":
    for name, text in manifests().items():
        (FOLDER / name).write_text(text)
