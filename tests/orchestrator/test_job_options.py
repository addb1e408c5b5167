"""From what was typed to a request: what cannot work over there is refused here."""

import sys
from pathlib import Path
from typing import Any

import pytest

from orchestrator.errors import JobError, TrackingError
from orchestrator.job_options import (
    JobOptions,
    make_request,
    read_runtime_env,
    read_tracking_uri,
    require_absolute,
    require_python,
)
from search_spaces.load import load_study
from tests.orchestrator.fabricated import TEXT, make_tiny

HERE, ELSEWHERE = "http://127.0.0.1:8265", "http://192.0.2.77:8265"
RESULTS = Path("/shared/maps")


def test_a_study_ships_alone_with_its_overrides_and_this_interpreter_on_this_machine() -> None:
    study = make_tiny("seeds=3")
    request = make_request(study, "some/tiny.yaml", JobOptions(RESULTS), HERE)
    assert (request.study, request.digest) == ("tiny", study.digest)
    assert (request.text, request.path) == (TEXT, "tiny.yaml")
    assert request.overrides == ("seeds=3",)
    assert (request.python, request.results) == (sys.executable, "/shared/maps")


def test_a_cluster_elsewhere_has_interpreters_of_its_own() -> None:
    with pytest.raises(JobError, match="--python /opt"):
        make_request(make_tiny(), "tiny.yaml", JobOptions(RESULTS), ELSEWHERE)
    options = JobOptions(RESULTS, python="/opt/bin/python")
    assert make_request(make_tiny(), "tiny.yaml", options, ELSEWHERE).python == "/opt/bin/python"
    assert require_python(None) is None
    with pytest.raises(JobError, match="absolute path"):
        require_python("python3")


def test_results_that_depend_on_the_folder_are_refused_with_the_path_that_would_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert require_absolute(RESULTS) == RESULTS
    with pytest.raises(JobError, match=rf"--results {tmp_path}/maps"):
        require_absolute(Path("maps"))


def test_a_working_directory_brings_the_study_that_lies_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "project"
    (folder / "studies").mkdir(parents=True)
    (folder / "studies" / "tiny.yaml").write_text(TEXT)
    monkeypatch.chdir(tmp_path)
    study = load_study(folder / "studies" / "tiny.yaml")
    options = JobOptions(RESULTS, working_dir="project")
    request = make_request(study, "project/studies/tiny.yaml", options, HERE)
    assert (request.path, request.working_dir) == ("studies/tiny.yaml", str(folder))


@pytest.mark.parametrize(
    ("working_dir", "given", "words"),
    [
        ("absent", "tiny.yaml", "no such folder"),
        ("project", "tiny.yaml", "does not lie in"),
        ("project", "demo", "does not lie in"),
        ("https://store/x.zip", "/home/me/tiny.yaml", "path inside https"),
        ("https://store/x.zip", "../tiny.yaml", "path inside https"),
    ],
)
def test_a_study_that_its_working_directory_does_not_bring_is_refused(
    working_dir: str,
    given: str,
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "project").mkdir()
    (tmp_path / "tiny.yaml").write_text(TEXT)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(JobError, match=words):
        make_request(make_tiny(), given, JobOptions(RESULTS, working_dir=working_dir), HERE)


def test_the_mlflow_store_goes_with_the_job_unless_it_holds_a_password() -> None:
    name = "MLFLOW_TRACKING_URI"
    assert read_tracking_uri({}) is None
    assert read_tracking_uri({name: "http://mlflow:5000"}) == "http://mlflow:5000"
    assert read_tracking_uri({name: "sqlite:////a/b.db"}) == "sqlite:////a/b.db"
    with pytest.raises(JobError, match="holds a password") as caught:
        read_tracking_uri({name: "postgresql://me:hunter2@db/mlflow"})
    assert "hunter2" not in str(caught.value)
    with pytest.raises(JobError, match="absolute path"):
        read_tracking_uri({name: "sqlite:///b.db"})
    with pytest.raises(TrackingError, match="starts with one of"):
        read_tracking_uri({name: "ftp://x"})


@pytest.mark.parametrize(
    ("text", "content"),
    [(None, {}), ('{"pip": ["x"]}', {"pip": ["x"]}), ('{"env_vars": null}', {"env_vars": None})],
)
def test_a_runtime_environment_is_read_as_json(text: str | None, content: dict[str, Any]) -> None:
    assert read_runtime_env(None, text) == content


def test_a_runtime_environment_is_read_as_yaml(tmp_path: Path) -> None:
    file = tmp_path / "env.yaml"
    file.write_text("env_vars: {A: b}\n")
    assert read_runtime_env(file, None) == {"env_vars": {"A": "b"}}
    with pytest.raises(JobError, match="give one of them"):
        read_runtime_env(file, "{}")
    with pytest.raises(JobError, match="cannot be read"):
        read_runtime_env(tmp_path / "absent", None)


@pytest.mark.parametrize("text", ["[1]", "3", '{"env_vars": 3}', "{", ""])
def test_what_is_no_runtime_environment_is_refused(text: str) -> None:
    with pytest.raises(JobError, match="runtime environment"):
        read_runtime_env(None, text)
