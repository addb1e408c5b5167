"""The pods of a Ray cluster for KubeRay, as plain values.

Requests equal limits, so that Kubernetes neither throttles nor evicts a lane for its neighbours
(quality of service *Guaranteed*); nothing runs as root; nothing here is secret: with
``authOptions`` the operator makes the token and hands it to every container.

References:
    KubeRay's field reference, docs.ray.io/en/master/kuberay/references/api.html.
    Token authentication, docs.ray.io/en/master/kuberay/user-guides/auth.html.
"""

from typing import Any

from orchestrator.deploy.plan import ClusterPlan, ray_version

RESULTS_FOLDER = "/results"
STUDY_FOLDER = "/etc/rankfall"
STUDY_FILE = "study.yaml"
PROGRAM = "/opt/rankfall/bin/rankfall"
USER_ID = 1000

_HEAD_PORTS = {"gcs-server": 6379, "dashboard": 8265, "client": 10001}

Manifest = dict[str, Any]


def cluster_spec(
    plan: ClusterPlan, study_map: str | None = None, results: list[Manifest] | None = None
) -> Manifest:
    """Return a RayClusterSpec.

    Args:
        plan: What to make.
        study_map: ConfigMap with the study's file, which the head mounts.
        results: Variables that say where results go; default: the volume's root.
    """
    variables = [*_variables(plan), *(results or [_variable("RANKFALL_RESULTS", RESULTS_FOLDER)])]
    head = _container("ray-head", plan, variables)
    head["ports"] = [{"name": n, "containerPort": p} for n, p in _HEAD_PORTS.items()]
    volumes = [{"name": "results", "persistentVolumeClaim": {"claimName": plan.claim}}]
    head_volumes = list[Manifest](volumes)
    if study_map is not None:
        head["volumeMounts"].append({"name": "study", "mountPath": STUDY_FOLDER, "readOnly": True})
        head_volumes.append({"name": "study", "configMap": {"name": study_map}})
    worker = _container("ray-worker", plan, variables)
    return {
        "rayVersion": ray_version(),
        "authOptions": {"mode": "token"},
        "headGroupSpec": {"rayStartParams": {}, "template": _pod(head, head_volumes)},
        "workerGroupSpecs": [
            {
                "groupName": "workers",
                "replicas": plan.workers,
                "minReplicas": plan.workers,
                "maxReplicas": plan.workers,
                "rayStartParams": {},
                "template": _pod(worker, volumes),
            }
        ],
    }


def submitter_pod(plan: ClusterPlan) -> Manifest:
    """Return the pod that hands the job to Ray; KubeRay fills in its command and its token."""
    container = {
        "name": "ray-job-submitter",
        "image": plan.image,
        "imagePullPolicy": "IfNotPresent",
        "resources": _resources({"cpu": "500m", "memory": "1Gi"}),
        "securityContext": _confinement(),
    }
    pod = _pod(container, [])
    return {"spec": {**pod["spec"], "restartPolicy": "Never"}}


def _pod(container: Manifest, volumes: list[Manifest]) -> Manifest:
    spec: Manifest = {
        "automountServiceAccountToken": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER_ID,
            "runAsGroup": USER_ID,
            "fsGroup": USER_ID,  # the results volume must be theirs to write
            "fsGroupChangePolicy": "OnRootMismatch",
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [container],
    }
    return {"spec": spec | ({"volumes": volumes} if volumes else {})}


def _container(name: str, plan: ClusterPlan, variables: list[Manifest]) -> Manifest:
    amounts = {"cpu": str(plan.cpus), "memory": f"{plan.memory_gib}Gi"}
    if plan.gpus:
        amounts["nvidia.com/gpu"] = str(plan.gpus)
    return {
        "name": name,
        "image": plan.image,
        "imagePullPolicy": "IfNotPresent",
        "env": variables,
        "resources": _resources(amounts),
        "securityContext": _confinement(),
        "volumeMounts": [{"name": "results", "mountPath": RESULTS_FOLDER}],
    }


def _resources(amounts: dict[str, str]) -> Manifest:
    return {"requests": dict(amounts), "limits": dict(amounts)}


def _confinement() -> Manifest:
    return {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}


def _variables(plan: ClusterPlan) -> list[Manifest]:
    # One thread a process: a second one on a busy core costs far more than it gives.
    variables = [_variable("OMP_NUM_THREADS", "1"), _variable("RAY_USAGE_STATS_ENABLED", "0")]
    if plan.tracking_uri is not None:
        variables.append(_variable("MLFLOW_TRACKING_URI", plan.tracking_uri))
    return variables


def _variable(name: str, value: str) -> Manifest:
    return {"name": name, "value": value}
