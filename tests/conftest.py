"""What tests of several folders share: one uninterrupted real run of a small study."""

import os
import subprocess
from dataclasses import dataclass

import pytest

from orchestrator.mlflow_runs import ENVIRONMENT

# MLflow reads it once, when a test module imports it: as quiet as Rankfall keeps it.
os.environ.update(ENVIRONMENT)

from tests.runs import Place  # imports MLflow


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
