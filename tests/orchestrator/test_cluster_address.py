"""Which cluster is meant: Ray's rules, and a knock before Ray is asked."""

import socket
from contextlib import closing

import pytest

from orchestrator.cluster_address import choose_address, is_this_machine, knock
from orchestrator.errors import ClusterError
from tests.orchestrator.http_servers import serving

API, HEAD = "RAY_API_SERVER_ADDRESS", "RAY_ADDRESS"


@pytest.mark.parametrize(
    ("option", "environment", "chosen"),
    [
        pytest.param(None, {}, None, id="the-ray-on-this-machine"),
        pytest.param("http://a:8265", {}, "http://a:8265", id="option"),
        pytest.param(None, {HEAD: "a:6379"}, "a:6379", id="variable"),
        pytest.param(None, {API: "http://a:1", HEAD: "b:2"}, "http://a:1", id="api-variable-wins"),
        pytest.param("http://a:1", {API: "http://a:1/"}, "http://a:1/", id="both-the-same"),
        pytest.param(None, {HEAD: " "}, None, id="empty-variable"),
    ],
)
def test_the_address_is_chosen_as_ray_chooses_it(
    option: str | None, environment: dict[str, str], chosen: str | None
) -> None:
    assert choose_address(option, environment) == chosen


@pytest.mark.parametrize("name", [API, HEAD])
def test_two_clusters_at_once_are_refused(name: str) -> None:
    with pytest.raises(ClusterError, match=rf"unset {name}"):
        choose_address("http://a:1", {name: "http://b:1"})


@pytest.fixture
def dead_port() -> int:
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        return int(listener.getsockname()[1])


@pytest.mark.parametrize("scheme", ["http://", ""])
def test_nobody_there_is_known_at_once(scheme: str, dead_port: int) -> None:
    with pytest.raises(ClusterError, match=rf"no Ray cluster at {scheme}127.0.0.1:{dead_port}"):
        knock(f"{scheme}127.0.0.1:{dead_port}")


@pytest.mark.parametrize(
    "address", ["head", "http://", "a:port", "1.2.3.4:99999", "http://me:secret@head:8265", "a b:1"]
)
def test_what_is_no_address_is_refused_with_the_form_it_takes(address: str) -> None:
    with pytest.raises(ClusterError, match=r"expected http://host:8265|no Ray cluster"):
        knock(address)


def test_a_dashboard_without_its_scheme_is_told_apart_from_a_head() -> None:
    with serving({}) as server:
        place = server.url.removeprefix("http://")
        with pytest.raises(ClusterError, match=rf"write its address {server.url}"):
            knock(place)
        knock(server.url)


@pytest.mark.parametrize("address", [None, "auto", "ray://nowhere:10001"])
def test_addresses_that_ray_alone_understands_are_left_to_it(address: str | None) -> None:
    knock(address)


@pytest.mark.parametrize(
    ("url", "is_here"),
    [
        ("http://127.0.0.1:8265", True),
        ("http://localhost:8265", True),
        (f"http://{socket.gethostname()}:1", True),
        ("http://192.0.2.77:8265", False),
        ("http://no-such-host.invalid:8265", False),
    ],
)
def test_a_machine_knows_its_own_addresses(url: str, is_here: bool) -> None:
    assert is_this_machine(url) is is_here
