"""What MLflow costs a sweep, and how usable 2,000 trials are there.

``python tests/benchmarks/tracking.py --json``: a pack of the demo's kind is really trained; its
outcomes, under the keys of 2,000 trials, are tracked as a sweep tracks them, pack by pack, into
MLflow's real server on SQLite. Client and server are charged by CPU time. ``--sweeps N`` also runs
the demo (``--set`` as ``rankfall run`` takes it) N times with tracking into that server and N times
without, alternately: the share of wall time. Chromium, where there is one, times the pages.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil  # type: ignore[import-untyped, unused-ignore]
import torch

from orchestrator.cohorts import group_cohorts
from orchestrator.ledger import replicate_seed
from orchestrator.mlflow_overview import StudyStatus
from orchestrator.mlflow_runs import MlflowRuns
from orchestrator.mlflow_server import Server, run_server
from orchestrator.mlflow_store import Store, locate_store
from orchestrator.planners.grid import GridPlanner
from orchestrator.planners.protocol import Proposal
from orchestrator.record import TrialRecord, TrialState
from orchestrator.sweep import PACK_MEMBERS
from orchestrator.tracking import SyncReport, Tracker
from search_spaces.load import parse_study
from search_spaces.study import Study
from tests.browser.chromium import CHROMIUM, browsing
from tests.integration.clusters import free_ports
from tests.orchestrator.report.builder import PROVENANCE
from trainer.cohort import Outcome
from trainer.loop import train_cohort

STUDY = """\
study: tracked
question: grid
data: {source: digits}
model: {encoder: mlp, hidden: [128, 128], embed_dim: 32, norm: layer}
train: {batch_size: 256, steps: 200, optimizer: sgd, momentum: 0.9}
objective: {kind: [infonce, supcon], temperature: {low: 0.05, high: 1.0, log: true, points: 10}}
lr: {low: 1e-2, high: 100, log: true, points: 20}
seeds: 5
collapse: {metric: effective_rank, below: 2.0}
budget: {trials: 2000}
"""
_REPEATS = 5


@dataclass(frozen=True, slots=True)
class Costs:
    """What was measured; seconds unless it says otherwise.

    Attributes:
        metric_points: Of one trial, on average.
        wall_per_trial: Of the thread that tracks; a sweep's training goes on beside it.
        client_cpu_per_trial, server_cpu_per_trial: CPU time.
        training_per_trial: Of one worker, at the pack that was trained here.
        cpu_share: CPU time of tracking over that of training, per trial.
        queries: Median time of what MLflow's pages ask the server, by name.
        pages: Until Chromium shows a page, by name; empty without Chromium.
    """

    machine: str
    date: str
    trials: int
    metric_points: float
    wall_per_trial: float
    client_cpu_per_trial: float
    server_cpu_per_trial: float
    training_per_trial: float
    cpu_share: float
    queries: dict[str, float]
    pages: dict[str, float]


def main() -> None:
    """Measure, and print a table or JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--trials", type=int, default=2000)
    parser.add_argument("--sweeps", type=int, default=0)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tracking") as name:
        folder = Path(name)
        with running_server(folder) as (server, store):
            found: dict[str, object] = {}
            if options.trials:
                found = asdict(measure(options.trials, server, store, folder))
            if options.sweeps:
                found |= compare_sweeps(options.sweeps, server.address, folder, options.set)
    if options.json:
        print(json.dumps(found, indent=2))
    else:
        for key, value in found.items():
            print(f"{key:22} {value}")


@contextmanager
def running_server(folder: Path) -> Iterator[tuple[Server, Store]]:
    """Run MLflow's server on SQLite; yields it and its store as clients name it."""
    (port,) = free_ports(1)
    with run_server(locate_store(folder, {}), port=port) as server:
        yield server, Store(server.address, None)


def measure(trials: int, server: Server, store: Store, folder: Path) -> Costs:
    """Track as many trials and look at them."""
    study = parse_study(STUDY, "tracked.yaml")
    records = make_records(study, GridPlanner(study).ask()[:trials])
    tracker = Tracker(store.uri, None)
    tracker.sync(study, records[:1], PROVENANCE)  # opens store and experiment, loads the data
    wall, client, serving = time.perf_counter(), time.process_time(), cpu_of(server.pid)
    for told in range(PACK_MEMBERS, len(records) + PACK_MEMBERS, PACK_MEMBERS):
        tracker.sync(study, records[:told], PROVENANCE)
    report = tracker.sync(study, records, PROVENANCE, (), StudyStatus.FINISHED)
    wall, client = time.perf_counter() - wall, time.process_time() - client
    serving = cpu_of(server.pid) - serving
    outcomes = [r.outcome for r in records if r.outcome is not None]
    training = statistics.fmean(outcome.seconds for outcome in outcomes)
    return Costs(
        machine=f"{platform.machine()}, {os.cpu_count()} cores",
        date=f"{datetime.now(UTC):%Y-%m-%d}",
        trials=len(records),
        metric_points=statistics.fmean(count_points(outcome) for outcome in outcomes),
        wall_per_trial=wall / len(records),
        client_cpu_per_trial=client / len(records),
        server_cpu_per_trial=serving / len(records),
        training_per_trial=training,
        cpu_share=(client + serving) / len(records) / training,
        queries=time_queries(store, report),
        pages=time_pages(server.address, report, study, folder) if CHROMIUM else {},
    )


def make_records(study: Study, proposals: Sequence[Proposal]) -> list[TrialRecord]:
    """Return finished trials with the outcomes of a pack that is trained here, over and over."""
    torch.set_num_threads(1)
    spread = proposals[:: max(1, len(proposals) // PACK_MEMBERS)][:PACK_MEMBERS]
    trained: list[Outcome] = []
    for cohort in group_cohorts(study, spread):
        trained += train_cohort(cohort, device=torch.device("cpu"))
    begin = datetime(2026, 11, 22, tzinfo=UTC)
    return [
        TrialRecord(
            number=number,
            round_number=0,
            proposal=proposal,
            settings=study.settings_at(proposal.point),
            seed=replicate_seed(study, proposal.replicate),
            state=TrialState.FINISHED,
            outcome=trained[number % len(trained)].model_copy(update={"trial": proposal.key}),
            failure=None,
            asked_at=begin,
            told_at=begin + timedelta(seconds=number + 1),
        )
        for number, proposal in enumerate(proposals)
    ]


def count_points(outcome: Outcome) -> int:
    """Return how many values of an outcome are shown over training."""
    return sum(len(values) for values in outcome.history.values.values())


def cpu_of(pid: int) -> float:
    """Return the CPU seconds of a process and its living descendants."""
    root = psutil.Process(pid)
    times = [process.cpu_times() for process in (root, *root.children(recursive=True))]
    return float(sum(t.user + t.system for t in times))


def time_queries(store: Store, report: SyncReport) -> dict[str, float]:
    """Return what the pages ask: the parent run, a first page of trials, filters."""
    client = MlflowRuns(store)._client
    child = f"tags.`mlflow.parentRunId` = '{report.run_id}'"
    filters = {
        "first_100_trials": child,
        "by_regime": f"{child} and tags.regime = 'complete'",
        "by_objective_and_replicate": f"{child} and tags.objective = 'supcon' and "
        "tags.replicate = '3'",
        "by_number": f"{child} and metrics.lr < 1 and metrics.score > 2",
    }

    def search(condition: str) -> None:
        client.search_runs(
            [report.experiment_id], condition, max_results=100, order_by=["metrics.lr ASC"]
        )

    return {"parent_run": median_of(lambda: client.get_run(report.run_id))} | {
        name: median_of(lambda condition=condition: search(condition))  # type: ignore[misc]
        for name, condition in filters.items()
    }


def median_of(ask: Callable[[], object]) -> float:
    """Return the median time of a call."""
    seconds = []
    for _ in range(_REPEATS):
        began = time.perf_counter()
        ask()
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds)


def time_pages(address: str, report: SyncReport, study: Study, folder: Path) -> dict[str, float]:
    """Return how long Chromium takes to show the parent's page and the table of trials."""
    experiment = f"{address}/#/experiments/{report.experiment_id}"
    found: dict[str, float] = {}
    with browsing(folder) as browser:
        for name, rest, text in (
            ("parent_page", f"runs/{report.run_id}", "of at most 2000 trials"),
            ("table_of_trials", f"runs?viewStateShareKey={study.digest}", "supcon"),
        ):
            browser.open(f"{experiment}/{rest}")
            browser.wait_for_text(text)  # the first visit loads the page's own scripts
            began = time.perf_counter()
            browser.open(f"{experiment}/{rest}")
            browser.wait_for_text(text)
            found[name] = time.perf_counter() - began
    return found


def compare_sweeps(
    repeats: int, address: str, folder: Path, changes: Sequence[str]
) -> dict[str, object]:
    """Run the demo with tracking and without, and return the wall times and their ratio."""
    times: dict[str, list[float]] = {"tracked": [], "untracked": []}
    for repeat in range(repeats):
        for name, option in (("tracked", "--mlflow"), ("untracked", "--no-mlflow")):
            results = folder / f"{name}-{repeat}"
            command = [str(Path(sys.executable).with_name("rankfall")), "run", "demo", option]
            command += [word for change in changes for word in ("--set", change)]
            began = time.perf_counter()
            subprocess.run(
                [*command, "--results", str(results)],
                env=os.environ | {"MLFLOW_TRACKING_URI": address, "OMP_NUM_THREADS": "1"},
                check=True,
                capture_output=True,
            )
            times[name].append(time.perf_counter() - began)
    share = min(times["tracked"]) / min(times["untracked"]) - 1
    return {"sweeps": times, "set": list(changes), "wall_share": share}


if __name__ == "__main__":
    main()
