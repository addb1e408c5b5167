"""deploy/kuberay: fields that KubeRay knows, pods that Kubernetes knows, nothing secret."""

import importlib.util
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from tests.deploy.files import KUBERAY, ROOT, read_documents, read_lock
from tests.deploy.kuberay_model import (
    RayCronJob,
    RayJob,
    cluster_of,
    pods_of,
    read_object,
)

MADE = ("raycluster.yaml", "rayjob.yaml", "raycronjob.yaml")
KUBERNETES = "1.33"


def load(name: str) -> list[dict[str, Any]]:
    return read_documents((KUBERAY / name).read_text())


def ray_object(name: str) -> dict[str, Any]:
    (found,) = [d for d in load(name) if d["apiVersion"] == "ray.io/v1"]
    return found


def test_the_shipped_manifests_are_what_the_code_renders_now() -> None:
    specification = importlib.util.spec_from_file_location("write", KUBERAY / "write.py")
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    made = module.manifests()
    assert sorted(made) == sorted(MADE)
    for name, text in made.items():
        assert (KUBERAY / name).read_text() == text, f"run {KUBERAY / 'write.py'}"


@pytest.mark.parametrize("name", MADE)
def test_kuberay_knows_every_field(name: str) -> None:
    read_object(ray_object(name))


@pytest.mark.parametrize("field", ["concurrencyPolicy", "successfulJobsHistoryLimit"])
def test_what_cron_jobs_have_and_ray_cron_jobs_have_not_is_refused(field: str) -> None:
    document = ray_object("raycronjob.yaml")
    document["spec"][field] = "Forbid"
    with pytest.raises(ValidationError, match=field):
        read_object(document)


@pytest.mark.parametrize("name", MADE)
def test_kubernetes_knows_every_field_of_the_pods(name: str) -> None:
    kubernetes_validate = pytest.importorskip("kubernetes_validate")
    for purpose, spec in pods_of(ray_object(name)).items():
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": purpose}, "spec": spec}
        kubernetes_validate.validate(pod, KUBERNETES, strict=True)
    with pytest.raises(kubernetes_validate.ValidationError, match="fsGruop"):
        kubernetes_validate.validate(
            {**pod, "spec": {**spec, "securityContext": {"fsGruop": 1}}}, KUBERNETES, strict=True
        )


@pytest.mark.parametrize("name", ["results.yaml", "rayjob.yaml", "raycronjob.yaml"])
def test_kubernetes_knows_every_field_of_the_rest(name: str) -> None:
    kubernetes_validate = pytest.importorskip("kubernetes_validate")
    documents = [d for d in load(name) if d["apiVersion"] == "v1"]
    assert documents
    for document in documents:
        kubernetes_validate.validate(document, KUBERNETES, strict=True)


@pytest.mark.parametrize("name", MADE)
def test_every_container_has_limits_equal_to_its_requests(name: str) -> None:
    for spec in pods_of(ray_object(name)).values():
        for container in spec["containers"]:
            resources = container["resources"]
            assert resources["requests"] == resources["limits"]
            assert {"cpu", "memory"} <= resources["limits"].keys()


@pytest.mark.parametrize("name", MADE)
def test_nothing_runs_as_root_or_can_become_it(name: str) -> None:
    for spec in pods_of(ray_object(name)).values():
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["runAsUser"] > 0
        for container in spec["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "capabilities": {"drop": ["ALL"]},
            }


@pytest.mark.parametrize("name", MADE)
def test_the_cluster_wants_a_token_and_no_manifest_holds_one(name: str) -> None:
    assert cluster_of(ray_object(name))["authOptions"] == {"mode": "token"}
    variables = [
        variable
        for spec in pods_of(ray_object(name)).values()
        for container in spec["containers"]
        for variable in container.get("env", [])
    ]
    assert not [v for v in variables if secret_name(v["name"])]
    assert not [d for d in load(name) if d["kind"] == "Secret"]


def secret_name(name: str) -> bool:
    return any(word in name for word in ("TOKEN", "PASSWORD", "SECRET", "KEY"))


@pytest.mark.parametrize("name", MADE)
def test_ray_is_the_locked_version_with_one_thread_a_process(name: str) -> None:
    assert cluster_of(ray_object(name))["rayVersion"] == read_lock()["ray"]
    pods = pods_of(ray_object(name))
    for purpose in ("head", "workers"):
        assert {"name": "OMP_NUM_THREADS", "value": "1"} in pods[purpose]["containers"][0]["env"]


def test_the_lock_has_the_ray_that_the_project_wants() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    (ray,) = [wanted for wanted in project["dependencies"] if wanted.startswith("ray[")]
    assert ray.partition("==")[2] == read_lock()["ray"]


@pytest.mark.parametrize("name", ["rayjob.yaml", "raycronjob.yaml"])
def test_the_head_mounts_the_study_where_the_entry_point_reads_it(name: str) -> None:
    job = read_object(ray_object(name))
    assert isinstance(job, RayJob | RayCronJob)
    spec = job.spec if isinstance(job, RayJob) else job.spec.job_template
    (study_map,) = [d for d in load(name) if d["kind"] == "ConfigMap"]
    head = pods_of(ray_object(name))["head"]
    mounts = {m["name"]: m["mountPath"] for m in head["containers"][0]["volumeMounts"]}
    volumes = {v["name"]: v for v in head["volumes"]}
    assert volumes["study"]["configMap"]["name"] == study_map["metadata"]["name"]
    assert f"{mounts['study']}/{next(iter(study_map['data']))}" in spec.entrypoint.split()


def test_every_firing_has_results_of_its_own_and_no_retry_that_would_not_find_them() -> None:
    document = ray_object("raycronjob.yaml")
    assert document["spec"]["jobTemplate"]["backoffLimit"] == 0
    variables = pods_of(document)["head"]["containers"][0]["env"]
    names = [variable["name"] for variable in variables]
    results = variables[names.index("RANKFALL_RESULTS")]
    assert results["value"] == "/results/schedules/demo/$(RANKFALL_FIRING)"
    # Kubernetes expands only what stands before.
    assert names.index("RANKFALL_FIRING") < names.index("RANKFALL_RESULTS")


def test_the_volume_is_the_one_that_the_pods_mount() -> None:
    (claim,) = load("results.yaml")
    for name in MADE:
        volumes = pods_of(ray_object(name))["workers"]["volumes"]
        assert volumes[0]["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]


def test_helm_is_told_to_open_the_gate_of_ray_cron_jobs() -> None:
    values = yaml.safe_load(Path(KUBERAY / "operator-values.yaml").read_text())
    assert values == {"featureGates": [{"name": "RayCronJob", "enabled": True}]}
