"""A world for each test, on a store in a file of its own."""

from pathlib import Path

import pytest

from tests.orchestrator.schedule.cases import World, store_url


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World.on(store_url(tmp_path))
