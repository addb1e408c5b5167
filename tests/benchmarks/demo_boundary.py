"""The demo study for real: the planners' error against a dense grid at 50, 100 and 200 trials.

    python tests/benchmarks/demo_boundary.py --make-reference   once, half an hour on two cores
    python tests/benchmarks/demo_boundary.py [--json] [--repeats 3]     minutes

The reference (``demo_reference.json``) is every slice of the demo on a grid of eight learning
rates a decade with seven seeds, each seed's threshold interpolated, their median the boundary. It
carries the study's digest and its own: a changed demo is refused. A planner then runs on trials
trained on demand, in the product's own loop, with the demo's three seeds; every repeat has others.

One JSON object a line: ``world``, ``axes``, ``method``, ``trials``, ``trial_steps``, ``error``
(mean \\|log10 lr - reference\\| over the slices where both say a number, decades), ``error_se``
(over repeats; over slices if there is one), ``slices`` compared, ``coverage`` (of the 95 % band),
``agreement`` (the same, the band widened by the reference's own standard error: what a perfect
band would reach at 95 %), ``unanswered`` slices that have a reference, ``reference_error`` (its
standard error, mean over slices) and ``reference`` (its digest).
"""

import argparse
import json
import math
import os
import statistics
import sys
from collections.abc import Sequence
from dataclasses import replace
from importlib.resources import files
from multiprocessing.pool import Pool
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))

# ruff: noqa: E402 (the path comes first, so that the file runs as a script)
from orchestrator.planners.factory import build_planner
from orchestrator.planners.readout import read_boundary
from orchestrator.planners.surface.verdicts import BAND_SDS
from orchestrator.planners.threshold import Threshold, Verdict
from search_spaces.load import load_study
from search_spaces.study import PlannerKind, Study
from tests.benchmarks.demo_ground import Found, open_pool, run_planner, steps_of, train
from tests.benchmarks.demo_reference import (
    FILE,
    ReferenceSlice,
    dense_proposals,
    load,
    save,
)

BUDGETS = (50, 100, 200)
PLANNERS = (PlannerKind.SURFACE, PlannerKind.BISECT)
PER_DECADE, SEEDS = 8, 7


def main() -> None:
    """Make the reference, or compare the planners with it."""
    options = _parse()
    study = load_study(Path(str(files("search_spaces") / "studies" / "demo.yaml")), options.set)
    with open_pool() as pool:
        if options.make_reference:
            _make(study, options.per_decade, options.seeds, options.reference, pool)
            return
        about, reference = load(study, options.reference)
        for row in compare(study, reference, options.budgets, options.repeats, pool):
            row["reference"] = about["digest"]
            print(json.dumps(row) if options.json else _line(row), flush=True)


def compare(
    study: Study,
    reference: list[ReferenceSlice],
    budgets: Sequence[int],
    repeats: int,
    pool: Pool,
) -> list[dict[str, object]]:
    """Return one row per planner and budget."""
    trained: dict[int, Found] = {seed: {} for seed in range(repeats)}
    rows = []
    for kind in PLANNERS:
        for trials in budgets:
            results = []
            for seed, known in trained.items():
                budget = study.budget.model_copy(update={"trials": trials, "band_decades": 1e-3})
                mine = replace(study, planner=kind, budget=budget, seed=study.seed + seed)
                told = run_planner(build_planner(mine), mine, pool, known)
                found = read_boundary(mine, told.values())
                results.append((told, list(found.values())))
            rows.append(_row(kind, results, reference))
    return rows


def _row(
    kind: PlannerKind,
    results: list[tuple[Found, list[Threshold]]],
    reference: list[ReferenceSlice],
) -> dict[str, object]:
    pairs = [
        [
            (t, r.median, r.error or 0.0)
            for t, r in zip(thresholds, reference, strict=True)
            if r.median is not None
        ]
        for _, thresholds in results
    ]
    answered = [[pair for pair in run if pair[0].verdict is Verdict.INSIDE] for run in pairs]
    errors = [[abs(t.median - m) for t, m, _ in run] for run in answered]
    means = [statistics.fmean(run) for run in errors if run]
    spread = means if len(means) > 1 else [e for run in errors for e in run]
    held = [t.lo <= m <= t.hi for run in answered for t, m, _ in run]
    agree = [_agrees(*pair) for run in answered for pair in run]
    uncertain = [r.error for r in reference if r.error is not None]
    return {
        "world": "demo",
        "axes": 1,
        "method": f"Rankfall {kind}",
        "trials": statistics.fmean(len(told) for told, _ in results),
        "trial_steps": statistics.fmean(steps_of(told.values()) for told, _ in results),
        "error": round(statistics.fmean(means), 4) if means else None,
        "error_se": (
            round(statistics.stdev(spread) / math.sqrt(len(spread)), 4) if len(spread) > 1 else None
        ),
        "slices": sum(map(len, answered)),
        "coverage": round(statistics.fmean(held), 3) if held else None,
        "agreement": round(statistics.fmean(agree), 3) if agree else None,
        "unanswered": sum(map(len, pairs)) - sum(map(len, answered)),
        "reference_error": round(statistics.fmean(uncertain), 4) if uncertain else None,
    }


def _agrees(found: Threshold, reference: float, error: float) -> bool:
    """Return whether the two differ by no more than both standard errors explain at 95 %."""
    wide = math.hypot((found.hi - found.lo) / 2, BAND_SDS * error)
    return abs(found.median - reference) <= wide


def _make(study: Study, per_decade: int, seeds: int, path: Path, pool: Pool) -> None:
    wide = replace(study, replicates=seeds)
    proposals = dense_proposals(wide, per_decade, seeds)

    def note(done: int) -> None:
        print(f"\r{done} of {len(proposals)} trials", end="", file=sys.stderr, flush=True)

    save(study, train(wide, proposals, pool, note), per_decade, seeds, path)
    print(f"\n{path}", file=sys.stderr)


def _line(row: dict[str, object]) -> str:
    return (
        f"{row['method']} at {row['trials']:g} trials: {row['error']} ± {row['error_se']} decade "
        f"over {row['slices']} slices, band holds {row['coverage']}, {row['unanswered']} unanswered"
    )


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.add_argument("--make-reference", action="store_true", help="train the dense grid")
    parser.add_argument("--reference", type=Path, default=FILE, metavar="FILE")
    parser.add_argument("--per-decade", type=int, default=PER_DECADE, help="of the dense grid")
    parser.add_argument("--seeds", type=int, default=SEEDS, help="of the dense grid")
    parser.add_argument("--repeats", type=int, default=1, help="runs of a planner, other seeds")
    parser.add_argument("--budgets", type=int, nargs="+", default=BUDGETS, help="trials")
    parser.add_argument("--set", action="append", default=[], help="override the demo's settings")
    return parser.parse_args()


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
