"""A sweep on a cluster that is there already: ``RAY_ADDRESS`` with token authentication."""

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ReferenceRun
from tests.integration.clusters import HeadPlace, prepare_head, running_head
from tests.runs import Place, is_listening

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HeadPlace]:
    """A head of our own with two CPUs."""
    place = prepare_head(tmp_path_factory.mktemp("cluster"), cpus=2, lowest_worker_port=23000)
    with running_head(place):
        assert is_listening(place.ports[0])
        yield place


@pytest.fixture
def place(tmp_path: Path) -> Place:
    place = Place(tmp_path)
    place.write_study()
    return place


def test_a_cluster_gives_the_outcomes_of_this_machine_and_is_left_running(
    cluster: HeadPlace, place: Place, reference_run: ReferenceRun
) -> None:
    result = place.run(RAY_ADDRESS=cluster.address, **cluster.authentication)
    assert result.returncode == 0, result.stderr
    assert place.outcomes() == reference_run.place.outcomes()
    assert place.collapse_map() == reference_run.place.collapse_map()
    assert is_listening(int(cluster.address.rpartition(":")[2]))


def test_a_wrong_token_is_refused_in_one_line_without_a_trace(
    cluster: HeadPlace, place: Place, tmp_path_factory: pytest.TempPathFactory
) -> None:
    token = tmp_path_factory.mktemp("stranger") / "token"
    token.write_text(secrets.token_hex(32))
    result = place.run(
        RAY_ADDRESS=cluster.address, RAY_AUTH_MODE="token", RAY_AUTH_TOKEN_PATH=str(token)
    )
    assert result.returncode == 2, result.stderr
    assert "check the address and the token" in result.stderr.splitlines()[-1]
    assert "Traceback" not in result.stderr
    assert [path.name for path in place.path.iterdir()] == ["small.yaml"]
