"""KubeRay's objects for one study: RayJob (now), RayCronJob (by the clock), RayCluster (kept up).

References:
    RayJob, docs.ray.io/en/master/cluster/kubernetes/getting-started/rayjob-quick-start.html.
    RayCronJob (KubeRay 1.6, alpha, feature gate ``RayCronJob``; ``timeZone`` since 1.7),
    docs.ray.io/en/master/cluster/kubernetes/getting-started/raycronjob-quick-start.html.
"""

from dataclasses import dataclass

from orchestrator.deploy.plan import ClusterPlan, StudyText
from orchestrator.deploy.pods import (
    PROGRAM,
    RESULTS_FOLDER,
    STUDY_FILE,
    STUDY_FOLDER,
    Manifest,
    cluster_spec,
    submitter_pod,
)

_API = "ray.io/v1"
_KEEP_SECONDS = 300
_RETRIES = 1


@dataclass(frozen=True, slots=True)
class CronTimes:
    """Five fields of cron, read in a time zone (IANA name; None: the operator's own)."""

    line: str
    zone: str | None


def study_map(study: StudyText) -> Manifest:
    """Return the ConfigMap that carries the study's file."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": _metadata(study) | {"name": _map_name(study)},
        "data": {STUDY_FILE: study.text},
    }


def ray_cluster(plan: ClusterPlan, name: str = "rankfall") -> Manifest:
    """Return a RayCluster that stays, for ``rankfall submit`` and ``rankfall serve``."""
    metadata = {"name": name, "labels": {"app.kubernetes.io/name": "rankfall"}}
    spec = cluster_spec(plan)
    return {"apiVersion": _API, "kind": "RayCluster", "metadata": metadata, "spec": spec}


def ray_job(study: StudyText, plan: ClusterPlan) -> Manifest:
    """Return a RayJob: the study in a cluster of its own, which goes when it has ended.

    A lost cluster is replaced once, and the new one goes on from the ledger on the volume.
    """
    spec = _job_spec(plan, cluster_spec(plan, _map_name(study)), retries=_RETRIES)
    return {"apiVersion": _API, "kind": "RayJob", "metadata": _metadata(study), "spec": spec}


def ray_cron_job(study: StudyText, plan: ClusterPlan, times: CronTimes) -> Manifest:
    """Return a RayCronJob: the study from its beginning at each time, each with its own results.

    A finished study has nothing left to do, so every firing writes to a folder of its own, named
    after its cluster. A retry would be another cluster, hence there is none.
    """
    firings = f"{RESULTS_FOLDER}/schedules/{study.name}"
    cluster_label = {"fieldPath": "metadata.labels['ray.io/cluster']"}
    results: list[Manifest] = [
        {"name": "RANKFALL_FIRING", "valueFrom": {"fieldRef": cluster_label}},
        {"name": "RANKFALL_RESULTS", "value": f"{firings}/$(RANKFALL_FIRING)"},
    ]
    spec = {
        "schedule": times.line,
        **({} if times.zone is None else {"timeZone": times.zone}),
        "jobTemplate": _job_spec(plan, cluster_spec(plan, _map_name(study), results), retries=0),
    }
    return {"apiVersion": _API, "kind": "RayCronJob", "metadata": _metadata(study), "spec": spec}


def _job_spec(plan: ClusterPlan, cluster: Manifest, *, retries: int) -> Manifest:
    return {
        "entrypoint": _entrypoint(plan),
        "submissionMode": "K8sJobMode",
        "backoffLimit": retries,
        "shutdownAfterJobFinishes": True,
        "ttlSecondsAfterFinished": _KEEP_SECONDS,
        "submitterPodTemplate": submitter_pod(plan),
        "rayClusterSpec": cluster,
    }


def _entrypoint(plan: ClusterPlan) -> str:
    # Two shells read it, the submitter's and Ray's: nothing of the user's may stand in it.
    # ``exec``, so that the signal to stop reaches the study itself.
    words = ["exec", PROGRAM, "run", f"{STUDY_FOLDER}/{STUDY_FILE}"]
    # Without a server MLflow's database would be a SQLite file on a network volume.
    return " ".join([*words, *(["--no-mlflow"] if plan.tracking_uri is None else [])])


def _metadata(study: StudyText) -> Manifest:
    labels = {
        "app.kubernetes.io/name": "rankfall",
        "app.kubernetes.io/instance": study.name,
        "rankfall/digest": study.digest,
    }
    return {"name": study.name, "labels": labels, "annotations": {"rankfall/study": study.study}}


def _map_name(study: StudyText) -> str:
    return f"{study.name}-study"
