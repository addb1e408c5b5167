"""``rankfall deploy render``: what comes out is valid whatever the study is called and says."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner, Result

from orchestrator.cli import app
from orchestrator.deploy.compose import compose_study
from orchestrator.deploy.kuberay import CronTimes, ray_cron_job, ray_job, study_map
from orchestrator.deploy.names import MOST_CHARACTERS, resource_name
from orchestrator.deploy.plan import ClusterPlan, StudyText
from orchestrator.deploy.render import to_yaml
from orchestrator.errors import DeployError
from tests.deploy.files import read_documents
from tests.deploy.kuberay_model import pods_of, read_object

PLAN = ClusterPlan("registry.example:5000/lab/rankfall:0.1.0")
STUDY_NAMES = st.from_regex(r"[A-Za-z0-9_-]{1,80}", fullmatch=True)
TEXTS = st.text(
    st.characters(codec="utf-8", exclude_characters="\r\x85\u2028\u2029"), max_size=300
).map(lambda text: text + "\n")


def render(*words: str) -> Result:
    return CliRunner().invoke(app, ["deploy", "render", *words])


@given(STUDY_NAMES)
def test_every_study_has_a_name_that_dns_takes(study: str) -> None:
    name = resource_name(study)
    assert re.fullmatch(r"[a-z]([a-z0-9-]*[a-z0-9])?", name)
    assert len(name) <= MOST_CHARACTERS


@given(st.lists(STUDY_NAMES, min_size=2, max_size=2, unique=True))
def test_two_studies_never_meet_in_one_name(studies: list[str]) -> None:
    assert resource_name(studies[0]) != resource_name(studies[1])


@pytest.mark.parametrize(
    ("study", "name"),
    [
        ("demo", "demo"),
        ("my-first-map", "my-first-map"),
        ("A_b", "a-b-9c0f76"),
        ("a-b", "a-b"),
        ("2-towers", "study-2-towers-b87a8b"),
    ],
)
def test_a_name_that_is_fine_stays_and_another_gets_a_mark(study: str, name: str) -> None:
    stem = name if name == study else name[:-6]
    assert resource_name(study).startswith(stem)
    assert (resource_name(study) == study) == (name == study)


@settings(deadline=None, max_examples=40)
@given(study=STUDY_NAMES, text=TEXTS, digest=st.from_regex(r"[0-9a-f]{12}", fullmatch=True))
def test_any_text_survives_every_target(study: str, text: str, digest: str) -> None:
    deployed = StudyText(study, digest, text)
    times = CronTimes("0 2 * * *", "Europe/Berlin")
    documents = [study_map(deployed), ray_job(deployed, PLAN), ray_cron_job(deployed, PLAN, times)]
    written = to_yaml(documents)
    assert read_documents(written) == documents
    assert documents[0]["data"]["study.yaml"] == text
    for document in documents[1:]:
        read_object(document)
        assert text not in document["spec"].get("entrypoint", "")
    compose = yaml.safe_load(to_yaml([compose_study(deployed, PLAN.image)]))
    (config,) = compose["configs"].values()
    assert config["content"].replace("$$", "$") == text
    assert "$" not in config["content"].replace("$$", "")


@pytest.mark.parametrize("digest", ["4236e8123456", "123456789012", "0123e4567890", "y"])
def test_a_digest_that_looks_like_a_number_is_quoted(digest: str) -> None:
    # Go reads 4236e8123456 as a number, and a label must be a text; PyYAML would not quote it.
    assert f"'{digest}'" in to_yaml([{"rankfall/digest": digest}])


def test_a_rendered_job_carries_digest_image_size_and_server() -> None:
    options = ["--image", "lab/rankfall:1", "--workers", "3", "--cpus", "8", "--memory", "32"]
    shown = render(
        "demo",
        "--target",
        "rayjob",
        *options,
        "--gpus",
        "1",
        "--tracking-uri",
        "http://mlflow:5000",
    )
    assert shown.exit_code == 0, shown.output
    study, job = read_documents(shown.output)
    read_object(job)
    assert study["metadata"]["labels"]["rankfall/digest"] == "36a97bcbf259"
    assert job["metadata"]["labels"]["rankfall/digest"] == "36a97bcbf259"
    assert "--no-mlflow" not in job["spec"]["entrypoint"]
    for purpose in ("head", "workers"):
        (container,) = pods_of(job)[purpose]["containers"]
        assert container["image"] == "lab/rankfall:1"
        wanted = {"cpu": "8", "memory": "32Gi", "nvidia.com/gpu": "1"}
        assert container["resources"] == {"requests": wanted, "limits": wanted}
        assert {"name": "MLFLOW_TRACKING_URI", "value": "http://mlflow:5000"} in container["env"]
    (group,) = job["spec"]["rayClusterSpec"]["workerGroupSpecs"]
    assert group["replicas"] == group["maxReplicas"] == 3


def test_a_rendered_compose_file_is_valid_and_submits_the_study() -> None:
    compose_pydantic = pytest.importorskip("compose_pydantic")
    shown = render("demo", "--target", "compose")
    assert shown.exit_code == 0, shown.output
    (document,) = read_documents(shown.output)
    # The package's specification is older than ``content`` (Docker Compose 2.23.1).
    (config,) = document["configs"].values()
    assert config.keys() == {"content"}
    older = {**document, "configs": {name: {"file": "x"} for name in document["configs"]}}
    compose_pydantic.ComposeSpecification.model_validate(older)
    service: dict[str, Any] = document["services"]["demo"]
    assert service["command"][:3] == [
        "/opt/rankfall/bin/rankfall",
        "submit",
        "/etc/rankfall/study.yaml",
    ]
    # What it is told is what 'rankfall submit' knows.
    known = CliRunner().invoke(app, ["submit", "--help"], env={"COLUMNS": "200"}).output
    assert all(word in known for word in service["command"] if word.startswith("--"))
    assert service["environment"]["RAY_AUTH_TOKEN"].startswith("${RAY_AUTH_TOKEN:?")
    assert "ports" not in service


def test_the_manifest_can_go_to_a_file(tmp_path: Path) -> None:
    path = tmp_path / "demo.yaml"
    shown = render("demo", "--target", "rayjob", "--out", str(path))
    assert (shown.exit_code, shown.output) == (0, "")
    assert len(read_documents(path.read_text())) == 2


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nope", "--target", "rayjob"], "no such file"),
        (["demo", "--target", "raycronjob"], "needs --cron"),
        (
            ["demo", "--target", "rayjob", "--cron", "0 2 * * *"],
            "--cron goes with",
        ),
        (["demo", "--target", "compose", "--tz", "UTC"], "--tz goes with"),
        (["demo", "--target", "raycronjob", "--cron", "0 2 * *"], "five fields"),
        (["demo", "--target", "raycronjob", "--cron", "0 0 2 * * *"], "five fields"),
        (["demo", "--target", "raycronjob", "--cron", "61 2 * * *"], "--cron '61 2"),
        (["demo", "--target", "raycronjob", "--cron", "0 2 * * *", "--tz", "Mars/X"], "--tz 'Mars"),
        (["demo", "--target", "rayjob", "--image", "a;b"], "--image 'a;b'"),
        (["demo", "--target", "rayjob", "--claim", "My_Claim"], "--claim 'My_Claim'"),
        (["demo", "--target", "rayjob", "--tracking-uri", "http://a:b@m"], "no place for a passw"),
        (["demo", "--target", "rayjob", "--tracking-uri", "sqlite:///x"], "of an MLflow server"),
        (["demo", "--target", "rayjob", "--out", "/nowhere/x.yaml"], "cannot be written"),
        (["demo", "--target", "rayjob", "--workers", "-1"], "--workers"),
    ],
)
def test_bad_input_is_refused_with_one_line(words: list[str], said: str) -> None:
    shown = render(*words)
    assert shown.exit_code == 2
    assert said in shown.output.replace("\n", " ") or said in shown.stderr.replace("\n", " ")


def test_a_study_with_a_prior_is_no_cron_job(tmp_path: Path) -> None:
    path = tmp_path / "next.yaml"
    shipped = Path("search_spaces/studies/demo.yaml").read_text()
    path.write_text(shipped.replace("study: demo", "study: next\nprior: demo\nplanner: surface"))
    shown = render(str(path), "--target", "raycronjob", "--cron", "0 2 * * *")
    assert shown.exit_code == 2
    assert "starts from demo" in shown.output


def test_a_text_that_no_config_map_holds_is_refused() -> None:
    with pytest.raises(DeployError, match=r"has 900,001 bytes"):
        StudyText("big", "0" * 12, "x" * 900_001)
