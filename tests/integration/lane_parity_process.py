"""Several sweeps in one Ray session, as a process of its own: run by test_lane_parity.

Run as ``python lane_parity_process.py FOLDER``; each ``NAME.LANES.WORKERS.yaml`` in it is run on
so many lanes of so many workers, with its ledger in the folder ``NAME.LANES.WORKERS``.
"""

import sys
from pathlib import Path

from orchestrator.conductor import Conductor
from orchestrator.lane_plan import CPUS_PER_WORKER, LaneRequest, plan_lanes
from orchestrator.ledger import Ledger
from orchestrator.ray_environment import ray_environment
from search_spaces.load import load_study
from trainer.lane_messages import LaneSettings
from trainer.outbox import Outbox

PACK_MEMBERS = 3


def run_one(path: Path) -> None:
    """Run one study to its end; expects a connection to Ray."""
    from orchestrator.tune import Watcher, run_cohorts  # noqa: PLC0415 - Ray reads its environment
    from orchestrator.tune_connection import list_nodes  # noqa: PLC0415

    _, lanes, workers = path.stem.split(".")
    folder = path.with_suffix("")
    folder.mkdir()
    plan = plan_lanes(list_nodes(), LaneRequest(int(lanes), int(workers)), PACK_MEMBERS)
    settings = LaneSettings(
        workers=plan.workers,
        cpus_per_worker=CPUS_PER_WORKER,
        gpu_fraction=plan.gpu_fraction,
        outbox=folder / "outbox",
        checkpoints=folder / "checkpoints",
        scratch=folder / "scratch",
        checkpoint_seconds=60.0,
        silence_seconds=300.0,
    )
    ledger = Ledger.open(folder / "ledger.journal", load_study(path))
    conductor = Conductor(ledger, Outbox(settings.outbox))
    run_cohorts(conductor, plan, settings, Watcher(lambda _: None, print))


def main(folder: str) -> None:
    """Run every study in the folder."""
    with ray_environment():
        from orchestrator.tune_connection import connected  # noqa: PLC0415

        with connected():
            for path in sorted(Path(folder).glob("*.yaml")):
                print("running", path.stem, flush=True)
                run_one(path)


if __name__ == "__main__":
    main(sys.argv[1])
