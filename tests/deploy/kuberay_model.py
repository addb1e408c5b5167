"""The fields of KubeRay's objects that our manifests use, strictly: an unknown field is refused.

KubeRay ships its schemas in no package that pip can install, so this is written by hand from its
field reference, docs.ray.io/en/master/kuberay/references/api.html (KubeRay 1.7.1, read on
22 November 2026). Pods are checked against Kubernetes' own schemas elsewhere.
"""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

# "IsDNS1035Label", and 53 less "-serve-svc" and a cluster's 6 random characters: KubeRay's
# ray-operator/controllers/ray/utils/validation.go and constant.go.
JobName = Field(pattern=r"^[a-z]([-a-z0-9]*[a-z0-9])?$", max_length=47)


class Strict(BaseModel):
    model_config = ConfigDict(
        extra="forbid", strict=True, alias_generator=to_camel, populate_by_name=False
    )


class Metadata(Strict):
    """https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/object-meta/"""

    name: str = JobName
    labels: dict[str, str]
    annotations: dict[str, str] = {}


class AuthOptions(Strict):
    """api.html#authoptions: mode disabled or token; secretName is for a Secret of one's own."""

    mode: Literal["token"]
    secret_name: str | None = None


class HeadGroupSpec(Strict):
    """api.html#headgroupspec"""

    ray_start_params: dict[str, str]
    template: dict[str, Any]


class WorkerGroupSpec(HeadGroupSpec):
    """api.html#workergroupspec"""

    group_name: str
    replicas: int = Field(ge=0)
    min_replicas: int = Field(ge=0)
    max_replicas: int = Field(ge=0)


class RayClusterSpec(Strict):
    """api.html#rayclusterspec; authOptions since KubeRay 1.5.1, for Ray 2.52 and newer."""

    ray_version: str
    auth_options: AuthOptions
    head_group_spec: HeadGroupSpec
    worker_group_specs: list[WorkerGroupSpec]


class RayJobSpec(Strict):
    """api.html#rayjobspec"""

    entrypoint: str
    submission_mode: Literal["K8sJobMode", "HTTPMode", "InteractiveMode", "SidecarMode"]
    backoff_limit: int = Field(ge=0)
    shutdown_after_job_finishes: bool
    ttl_seconds_after_finished: int = Field(ge=0)
    submitter_pod_template: dict[str, Any]
    ray_cluster_spec: RayClusterSpec


class RayCronJobSpec(Strict):
    """api.html#raycronjobspec: no concurrency policy, no history limit; timeZone since 1.7.

    A time zone inside ``schedule`` is refused by the operator (validation.go).
    """

    schedule: str = Field(pattern=r"^\S+( \S+){4}$")
    time_zone: str | None = None
    suspend: bool = False
    job_template: RayJobSpec


class RayCluster(Strict):
    api_version: Literal["ray.io/v1"]
    kind: Literal["RayCluster"]
    metadata: Metadata
    spec: RayClusterSpec


class RayJob(Strict):
    api_version: Literal["ray.io/v1"]
    kind: Literal["RayJob"]
    metadata: Metadata
    spec: RayJobSpec


class RayCronJob(Strict):
    api_version: Literal["ray.io/v1"]
    kind: Literal["RayCronJob"]
    metadata: Metadata
    spec: RayCronJobSpec


def read_object(document: dict[str, Any]) -> RayCluster | RayJob | RayCronJob:
    """Return the object that a document describes; a ValidationError says what is wrong."""
    kinds: dict[str, type[RayCluster | RayJob | RayCronJob]] = {
        "RayCluster": RayCluster,
        "RayJob": RayJob,
        "RayCronJob": RayCronJob,
    }
    return kinds[document["kind"]].model_validate(document)


def cluster_of(document: dict[str, Any]) -> dict[str, Any]:
    """Return the RayClusterSpec of any of the three, as it is written."""
    spec = document["spec"]
    job = spec.get("jobTemplate", spec)
    found: dict[str, Any] = job.get("rayClusterSpec", job)
    return found


def pods_of(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the pod specifications of an object by what they are for."""
    spec = cluster_of(document)
    pods = {"head": spec["headGroupSpec"]["template"]["spec"]}
    pods |= {group["groupName"]: group["template"]["spec"] for group in spec["workerGroupSpecs"]}
    job = document["spec"].get("jobTemplate", document["spec"])
    if "submitterPodTemplate" in job:
        pods["submitter"] = job["submitterPodTemplate"]["spec"]
    return pods
