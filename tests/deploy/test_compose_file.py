"""deploy/compose.yaml: valid, reachable from this machine only, secrets from the environment."""

import re
from typing import Any

import pytest
import yaml

from tests.deploy.files import DEPLOY, ROOT

TEXT = (DEPLOY / "compose.yaml").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load(TEXT)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = sorted(set(SERVICES) - {"postgres"})


def test_the_compose_specification_knows_every_field() -> None:
    compose_pydantic = pytest.importorskip("compose_pydantic")
    known = {key: value for key, value in COMPOSE.items() if not key.startswith("x-")}
    compose_pydantic.ComposeSpecification.model_validate(known)
    with pytest.raises(ValueError, match="helthcheck"):
        compose_pydantic.ComposeSpecification.model_validate(
            {"services": {"a": {"image": "b", "helthcheck": {}}}}
        )


def test_a_lab_has_these_services() -> None:
    assert sorted(SERVICES) == ["mlflow", "postgres", "ray-head", "ray-worker", "scheduler"]


def test_only_ray_and_mlflow_publish_ports_and_only_on_loopback() -> None:
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert published == {
        "mlflow": ["127.0.0.1:5000:5000"],
        "ray-head": ["127.0.0.1:8265:8265"],
    }
    assert not [name for name, service in SERVICES.items() if "network_mode" in service]


def test_no_secret_has_a_value_and_none_may_be_missing() -> None:
    for service in SERVICES.values():
        for name, value in service["environment"].items():
            if re.search(r"TOKEN|PASSWORD|SECRET", name):
                assert re.fullmatch(r"\$\{[A-Z_]+:\?see deploy/\.env\.example\}", value)
            if "://" in value and "@" in value:
                assert re.search(r"://rankfall:\$\{POSTGRES_PASSWORD:\?[^}]+\}@", value)
    assert not [arg for s in SERVICES.values() for arg in s.get("command", []) if "PASSWORD" in arg]


def test_the_example_names_every_variable_and_fills_in_no_secret() -> None:
    wanted = set(re.findall(r"\$\{([A-Z_]+)", TEXT))
    lines = (DEPLOY / ".env.example").read_text().splitlines()
    settings = dict(
        line.removeprefix("# ").split("=", 1) for line in lines if re.match(r"(# )?[A-Z_]+=", line)
    )
    assert settings.keys() == wanted
    assert {name: settings[name] for name in ("POSTGRES_PASSWORD", "RAY_AUTH_TOKEN")} == {
        "POSTGRES_PASSWORD": "",
        "RAY_AUTH_TOKEN": "",
    }
    assert ".env" in (DEPLOY / ".gitignore").read_text().split()


def test_every_ray_process_asks_for_the_token_with_one_thread_a_process() -> None:
    for name in ("ray-head", "ray-worker", "scheduler"):
        environment = SERVICES[name]["environment"]
        assert environment["RAY_AUTH_MODE"] == "token"
        assert environment["RAY_AUTH_TOKEN"].startswith("${RAY_AUTH_TOKEN:?")
        assert environment["OMP_NUM_THREADS"] == "1"


@pytest.mark.parametrize("name", OURS)
def test_our_services_share_image_and_results_and_cannot_gain_rights(name: str) -> None:
    service = SERVICES[name]
    assert service["image"] == "${RANKFALL_IMAGE:-rankfall:0.1.0}"
    assert (DEPLOY / service["build"]["context"]).resolve() == ROOT
    assert (ROOT / service["build"]["dockerfile"]).is_file()
    assert service["volumes"] == ["results:/results"]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "user" not in service, "the image's own, which is not root"


def test_what_is_waited_for_can_tell_that_it_is_healthy() -> None:
    for service in SERVICES.values():
        for name, condition in service.get("depends_on", {}).items():
            assert condition == {"condition": "service_healthy"}
            assert "healthcheck" in SERVICES[name]


def test_mlflow_lets_in_the_name_that_its_clients_use() -> None:
    (hosts,) = [a for a in SERVICES["mlflow"]["command"] if a.startswith("--allowed-hosts=")]
    address = SERVICES["scheduler"]["environment"]["MLFLOW_TRACKING_URI"]
    assert address.removeprefix("http://") in hosts.partition("=")[2].split(",")
    assert "*" not in hosts.partition("=")[2].split(",")


def test_the_scheduler_is_the_service_command_as_it_is() -> None:
    from typer.testing import CliRunner  # noqa: PLC0415

    from orchestrator.cli import app  # noqa: PLC0415

    program, command, *options = SERVICES["scheduler"]["command"]
    assert (program, command) == ("rankfall", "serve")
    shown = CliRunner().invoke(app, ["serve", "--help"], env={"COLUMNS": "200"}).output
    assert all(option.partition("=")[0] in shown for option in options)


def test_images_of_others_are_pinned() -> None:
    assert re.fullmatch(r"postgres:\d+\.\d+-[a-z]+", SERVICES["postgres"]["image"])
