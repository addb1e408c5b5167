"""The boundary search against what people would do instead, on simulated worlds.

    python -m tests.benchmarks.boundary [--json] [--quick] [--plot FILE] [--rows FILE]
                                        [--only WORD] [--without WORD] [--processes N]

Prints a table, or with ``--json`` one JSON object a line: ``world``, ``axes`` (numeric ones; "two
categories" has a categorical one besides), ``method``, ``trials``, ``trial_steps``, ``error`` (mean
\\|log10 lr - truth\\| over 1, 11 or 121 slices, in decades), ``error_se`` (over ``seeds`` worlds),
``budget``, ``seconds`` (CPU, to choose all trials; null: not counted). Then the goals, with
``met``. Exit code 1 if one is missed in a full run. ``--rows`` keeps the rows as they come, with
a digest at its end when all are there; contests that it already holds are not held again, so a
killed run goes on, and ``--only Rankfall`` with rows of the rivals adds ours.

Equal trial-steps: a budget of n is n trials at 85 % of their steps for every method, and every
method's trials are decided early alike (``tests.benchmarks.rivals.lab``), so the trials it buys
differ a little. Rankfall reads its own posterior; every rival is read by one Gaussian process on
the continuous score (``rivals.readout``), which does better than their own read-outs. Slow
rivals run in the smooth cells only, Optuna's GPSampler up to 96 trials, AEPsych up to 48.
AEPsych pins old versions of numpy and SQLAlchemy, so it runs in an environment of its own:

    python -m venv /tmp/aepsych && /tmp/aepsych/bin/pip install aepsych==0.8.0
    AEPSYCH_PYTHON=/tmp/aepsych/bin/python python -m tests.benchmarks.boundary

Without AEPSYCH_PYTHON it is left out, and that is said. The rivals need ``pip install botorch``.
"""

import argparse
import json
import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


def main() -> int:
    """Run the contests, print as they end, and return the exit code."""
    options = _parse()
    from tests.benchmarks.rivals.goals import check_goals  # noqa: PLC0415 (as objectives.py)
    from tests.benchmarks.rivals.rows import RowFile  # noqa: PLC0415
    from tests.benchmarks.rivals.show import draw, print_goals, print_table  # noqa: PLC0415
    from tests.benchmarks.rivals.tournament import plan, run  # noqa: PLC0415 (BoTorch: seconds)

    kept = RowFile(options.rows)
    names = {task: f"{task.cell.name} {task.method.value}" for task in plan(options.quick)}
    tasks = [
        task
        for task, name in names.items()
        if options.only in name and not (options.without and options.without in name)
    ]
    for row in run(tasks, kept.rows, options.processes):
        kept.add(row)
        print(json.dumps(row), flush=True, file=sys.stdout if options.json else sys.stderr)
    kept.close()
    goals = check_goals(kept.rows)
    if options.json:
        print("\n".join(json.dumps(goal) for goal in goals))
    else:
        print_table(kept.rows)
        print_goals(goals)
    if options.plot:
        draw(kept.rows, options.plot)
    return 0 if options.quick or all(goal["met"] for goal in goals) else 1


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.add_argument("--quick", action="store_true", help="two cells, three seeds: a minute")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw the errors as a PNG")
    parser.add_argument("--only", default="", help="contests whose world or method contains this")
    parser.add_argument("--without", default="", help="but not those that contain this")
    parser.add_argument("--rows", type=Path, metavar="FILE", help="keep the rows, and go on")
    parser.add_argument("--processes", type=int, default=2, help="contests at a time")
    options = parser.parse_args()
    if "AEPSYCH_PYTHON" not in os.environ:
        print("AEPsych is left out: AEPSYCH_PYTHON is not set (see the docstring)", file=sys.stderr)
    return options


if __name__ == "__main__":
    os.environ |= dict.fromkeys(THREADS, "1")
    sys.path.insert(0, str(ROOT))
    sys.exit(main())
