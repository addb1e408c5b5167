"""What is handed to Ray Jobs: the command, what travels with it, and the numbers of the ids."""

import json
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.job_request import (
    MOST_TEXT,
    REQUEST_KEY,
    STOP_SECONDS,
    JobRequest,
    next_number,
    read_request,
    split_id,
)

NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_-]{0,8}", fullmatch=True)
REQUEST = JobRequest(
    study="demo",
    digest="0123456789ab",
    text="study: demo\n",
    path="demo.yaml",
    overrides=("seeds=5", "lr={low: 1, high: 3}"),
    results="/shared/my maps",
    python="/opt/a b/bin/python",
    run_options=("--workers", "2"),
)


def changed(**changes: object) -> JobRequest:
    return REQUEST.model_copy(update=changes)


@pytest.mark.parametrize(
    ("ids", "number"),
    [
        pytest.param([], 1, id="empty-cluster"),
        pytest.param(["demo-1", "demo-2"], 3, id="next"),
        pytest.param(["demo-9", "demo-10"], 11, id="by-number-not-by-text"),
        pytest.param(["demo-2"], 3, id="a-gap-is-not-filled"),
        pytest.param(["demo-b-7", "a-demo-9", "demo", "demo-", "demo-x"], 1, id="others"),
        pytest.param(["demo-007", "demo-0", "demo-1.5"], 1, id="not-our-way-to-count"),
    ],
)
def test_the_number_is_one_more_than_the_highest_of_the_study(ids: list[str], number: int) -> None:
    assert next_number("demo", ids) == number


def test_a_study_whose_name_looks_like_an_id_is_counted_by_itself() -> None:
    ids = ["demo-2", "demo-2-1", "demo-2-2"]
    assert next_number("demo", ids) == 3
    assert next_number("demo-2", ids) == 3
    assert split_id("demo-2-1") == ("demo-2", 1)


@settings(max_examples=50, deadline=None)
@given(names=st.lists(NAMES, min_size=1, max_size=4, unique=True), data=st.data())
def test_submitting_in_any_order_gives_each_study_1_2_3_and_never_an_id_twice(
    names: list[str], data: st.DataObject
) -> None:
    ids: list[str] = []
    for name in data.draw(st.lists(st.sampled_from(names), max_size=20)):
        ids.append(f"{name}-{next_number(name, ids)}")
    assert len(set(ids)) == len(ids)
    for job_id in ids:
        name, number = split_id(job_id)
        assert f"{name}-{number}" == job_id
        assert name in names


def test_a_real_shell_hands_every_word_over_as_it_was_typed(tmp_path: Path) -> None:
    interpreter = tmp_path / "an interpreter"
    interpreter.write_text(f"#!{sys.executable}\nimport json, sys\nprint(json.dumps(sys.argv[1:]))")
    interpreter.chmod(0o700)
    overrides = ("objective.kind=[infonce, clop]", "study=$HOME'\"`x`", "a=b;c&d")
    request = changed(python=str(interpreter), overrides=overrides)
    said = subprocess.run(
        request.entrypoint, shell=True, capture_output=True, text=True, check=True
    ).stdout
    assert json.loads(said) == [
        *("-m", "orchestrator", "run", "demo.yaml", "--results", "/shared/my maps"),
        *(word for override in overrides for word in ("--set", override)),
        *("--workers", "2"),
    ]


def test_the_shell_makes_way_so_that_the_signal_to_stop_reaches_the_study() -> None:
    assert shlex.split(REQUEST.entrypoint)[0] == "exec"


def test_the_environment_leaves_a_job_time_to_end_and_names_its_store() -> None:
    environment = changed(tracking_uri="http://mlflow:5000").environment
    assert environment == {
        "env_vars": {
            "RAY_JOB_STOP_WAIT_TIME_S": str(STOP_SECONDS),
            "MLFLOW_TRACKING_URI": "http://mlflow:5000",
        },
    }


def test_what_the_user_says_of_the_environment_wins() -> None:
    own = {"env_vars": {"RAY_JOB_STOP_WAIT_TIME_S": "9", "MINE": "1"}, "pip": ["scipy"]}
    assert changed(runtime_env=own).environment == own
    assert changed(runtime_env={"env_vars": None}).environment["env_vars"].keys() == {
        "RAY_JOB_STOP_WAIT_TIME_S"
    }


def test_a_request_travels_with_its_job_and_is_read_again() -> None:
    assert read_request(REQUEST.metadata) == REQUEST
    assert all(isinstance(value, str) for value in REQUEST.metadata.values()), "as Ray wants it"


@pytest.mark.parametrize(
    "metadata", [None, {}, {REQUEST_KEY: "no JSON"}, {REQUEST_KEY: '{"study": "x", "new": 1}'}]
)
def test_jobs_of_others_and_of_other_versions_carry_no_request(
    metadata: dict[str, str] | None,
) -> None:
    assert read_request(metadata) is None


def test_what_may_be_secret_does_not_travel_but_its_option_is_named() -> None:
    secret = "hunter2"
    request = changed(
        runtime_env={"env_vars": {"TOKEN": secret}, "pip": [f"https://me:{secret}@index/x"]},
        working_dir=f"https://me:{secret}@store/x.zip",
    )
    assert secret not in json.dumps(request.metadata)
    read = read_request(request.metadata)
    assert read is not None
    assert read.withheld == ("--working-dir", "--runtime-env-json")


def test_a_local_folder_travels_by_name_and_a_long_text_not_at_all() -> None:
    read = read_request(changed(working_dir="/home/me/study", text="#" * MOST_TEXT).metadata)
    assert read is not None
    assert (read.working_dir, read.withheld) == ("/home/me/study", ())
    assert read.text is not None
    longer = read_request(changed(text="#" * (MOST_TEXT + 1)).metadata)
    assert longer is not None
    assert longer.text is None
