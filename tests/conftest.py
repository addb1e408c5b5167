"""What tests of several folders share: one uninterrupted real run of a small study."""

import subprocess
from dataclasses import dataclass

import pytest

from tests.runs import Place


@dataclass(frozen=True)
class ReferenceRun:
    """A real run that nothing disturbed: where, and what it said."""

    place: Place
    result: subprocess.CompletedProcess[str]


@pytest.fixture(scope="session")
def reference_run(tmp_path_factory: pytest.TempPathFactory) -> ReferenceRun:
    """Run the small study once a session, in a folder outside the checkout."""
    place = Place(tmp_path_factory.mktemp("elsewhere"))
    place.write_study()
    return ReferenceRun(place, place.run())
