"""Both Dockerfiles: the lock's versions, pinned bases, a user that is not root."""

import json
import re
import tomllib
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from tests.deploy.files import DEPLOY, ROOT, read_lock

NAMES = ("Dockerfile", "Dockerfile.gpu")
pytestmark = pytest.mark.parametrize("name", NAMES)


def instructions(name: str) -> list[tuple[str, str]]:
    """Return instruction and argument, continued lines joined, as Docker reads them."""
    dockerfile_parse = pytest.importorskip("dockerfile_parse")
    parser = dockerfile_parse.DockerfileParser(fileobj=BytesIO((DEPLOY / name).read_bytes()))
    found: list[dict[str, Any]] = json.loads(parser.json)
    return [(key, value) for entry in found for key, value in entry.items() if key != "COMMENT"]


def values(name: str, instruction: str) -> list[str]:
    return [value for key, value in instructions(name) if key == instruction]


def test_base_images_are_pinned_to_a_patch_of_a_python_that_rankfall_takes(name: str) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    least = tuple(map(int, project["requires-python"].removeprefix(">=").split(".")))
    bases = [value.split()[0] for value in values(name, "FROM")]
    assert len(bases) == 2
    versions = {re.fullmatch(r"python:(\d+\.\d+\.\d+)(-slim)?-bookworm", base)[1] for base in bases}  # type: ignore[index]
    (version,) = versions
    assert tuple(map(int, version.split(".")[:2])) >= least


def test_the_image_ends_as_a_numbered_user_that_is_not_root(name: str) -> None:
    stages = [i for i, (key, _) in enumerate(instructions(name)) if key == "FROM"]
    users = [value for key, value in instructions(name)[stages[-1] :] if key == "USER"]
    assert users == ["1000:1000"]


def test_everything_comes_from_the_lock_and_nothing_is_resolved_anew(name: str) -> None:
    installs = [value for value in values(name, "RUN") if value.startswith("pip install")]
    torch, lock, postgres, project = installs
    assert "$(grep '^torch==' requirements.lock)" in torch
    assert ("--index-url https://download.pytorch.org/whl/cpu" in torch) == (name == "Dockerfile")
    assert lock == "pip install --no-deps -r requirements.lock"
    assert project == "pip install --no-deps ."
    named = dict(word.split("==") for word in postgres.split() if "==" in word)
    assert named.keys() == {"psycopg", "psycopg-binary"}
    pins = read_lock()
    assert all(pins.get(package, version) == version for package, version in named.items())


def test_results_have_a_volume_and_a_process_has_one_thread(name: str) -> None:
    assert values(name, "VOLUME") == ["/results"]
    variables = " ".join(values(name, "ENV"))
    assert "RANKFALL_RESULTS=/results" in variables
    assert "OMP_NUM_THREADS=1" in variables
    assert ("NVIDIA_VISIBLE_DEVICES=all" in variables) == (name == "Dockerfile.gpu")


def test_no_secret_is_built_in(name: str) -> None:
    assert not re.search(r"(?i)token|password|secret", (DEPLOY / name).read_text())


def test_every_file_that_is_copied_is_there_and_not_ignored(name: str) -> None:
    ignore = (DEPLOY / f"{name}.dockerignore").read_text().splitlines()
    assert "*" in ignore
    for value in values(name, "COPY"):
        sources = [word for word in value.split()[:-1] if not word.startswith("/")]
        if value.startswith("--from"):
            continue
        for source in sources:
            assert (ROOT / Path(source)).exists()
            assert f"!{source.removeprefix('./')}" in ignore


def test_every_package_of_the_project_is_copied(name: str) -> None:
    tools = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    packages = {pattern.removesuffix("*") for pattern in tools["packages"]["find"]["include"]}
    copied = {word for value in values(name, "COPY") for word in value.split()[:-1]}
    assert packages <= copied
