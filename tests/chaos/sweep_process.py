"""A sweep as a process of its own, with a watchdog and checkpoints quicker than the product's.

Run as ``python sweep_process.py STUDY RESULTS LANES WORKERS SILENCE_SECONDS``; what the display is
told goes to standard output, a line each.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from orchestrator.lane_plan import LaneRequest
from orchestrator.record import TrialRecord
from orchestrator.sweep import SweepOptions, run_sweep
from search_spaces.load import load_study
from search_spaces.study import Study


class Lines:
    """A display that prints."""

    def show_stage(self, text: str) -> None:
        """Print a stage or a notice."""
        print("stage:", text, flush=True)

    def show_records(self, study: Study, records: Sequence[TrialRecord]) -> None:
        """Print how many trials have an outcome."""
        print("told:", sum(r.outcome is not None for r in records), flush=True)

    def show_steps(self, member_steps_running: int) -> None:
        """Print the steps of packs at work."""
        print("steps:", member_steps_running, flush=True)


def main(study: str, results: str, lanes: str, workers: str, silence_seconds: str) -> None:
    """Run the study to its end."""
    options = SweepOptions(
        results=Path(results),
        lanes=LaneRequest(lanes=int(lanes), workers=int(workers)),
        command=sys.argv,
        track=False,
        checkpoint_seconds=0.0,
        silence_seconds=float(silence_seconds),
    )
    run_sweep(load_study(Path(study)), options, Lines())


if __name__ == "__main__":
    main(*sys.argv[1:])
