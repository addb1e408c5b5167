"""The connection to Ray: what it says of a cluster that does not fit, whose signals it keeps."""

import signal
from collections.abc import Iterator

import pytest

from orchestrator.tune_connection import _describe_refusal, _keeping_sigterm

MISMATCH = """\
Version mismatch: The cluster was started with:
    Ray: 2.59.0
    Python: 3.12.1
This process on node 10.0.0.7 was started with:
    Ray: 2.60.0
    Python: 3.11.7
"""


@pytest.fixture
def ours() -> Iterator[object]:
    """A handler of SIGTERM, as a sweep sets it."""

    def handle(*_: object) -> None:
        """Do nothing."""

    before = signal.signal(signal.SIGTERM, handle)
    yield handle
    signal.signal(signal.SIGTERM, before)


def test_two_versions_are_told_apart_in_one_line() -> None:
    said = _describe_refusal("head:6379", RuntimeError(MISMATCH))
    assert "\n" not in said
    for version in ("Ray: 2.59.0 Python: 3.12.1", "Ray: 2.60.0 Python: 3.11.7"):
        assert version in said


@pytest.mark.parametrize("fails", [False, True])
def test_the_handler_that_ray_sets_does_not_stay(fails: bool, ours: object) -> None:
    def start() -> None:
        """Do to the signal what ray.init does, and perhaps fail like it."""
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        if fails:
            raise ConnectionError("no room")

    try:
        with _keeping_sigterm():
            start()
    except ConnectionError:
        assert fails
    assert signal.getsignal(signal.SIGTERM) is ours
