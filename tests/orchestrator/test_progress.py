"""The display of a running sweep: what it prints to a file, and how seldom it draws the map."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from orchestrator.ledger import Ledger
from orchestrator.progress import TerminalDisplay
from tests.orchestrator.fabricated import fabricate, make_tiny, open_ledger, propose


def told_ledger(folder: Path) -> Ledger:
    ledger = open_ledger(folder)
    proposals = propose(0.1, 10.0)
    ledger.add_round(proposals)
    ledger.tell(fabricate(proposals[0].key))
    return ledger


def test_a_file_gets_one_line_for_each_change_and_no_map(tmp_path: Path) -> None:
    written = io.StringIO()
    with TerminalDisplay(Console(file=written, width=200), 30, 4) as display:
        display.show_stage("starting Ray")
        display.show_records(make_tiny(), told_ledger(tmp_path).records())
        display.show_steps(3)

    lines = [line.strip() for line in written.getvalue().splitlines() if line.strip()]
    assert lines[:2] == ["starting Ray", "1 of about 30 trials told"]
    assert "Critical learning rate" not in written.getvalue()


def test_a_map_that_took_a_second_is_drawn_again_after_twenty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "xterm")  # on a dumb one nothing is drawn
    records = told_ledger(tmp_path).records()
    # Begin and end of the first drawing, two tells too early, begin and end of the second.
    times = [0.0, 1.0, 5.0, 20.9, 21.0, 22.0]
    clock, written = iter(times), io.StringIO()
    console = Console(file=written, width=200, force_terminal=True)
    with TerminalDisplay(console, 30, 4, lambda: next(clock)) as display:
        for _ in range(4):
            display.show_records(make_tiny(), records)

    assert list(clock) == []
    assert "Critical learning rate" in written.getvalue()
