"""The AEPsych side of ``aepsych_client.py``; runs under AEPSYCH_PYTHON, never under ours.

Asked ``{"ask": true}`` it answers a place of the unit cube; told ``{"place": ..., "collapsed":
0 or 1}`` it answers null. Sixteen Sobol places first, then EAVC, refitted after every trial.
"""

# mypy: ignore-errors
# AEPsych cannot be installed where mypy runs.
import contextlib
import json
import sys

import torch
from aepsych.acquisition import EAVC
from aepsych.generators import OptimizeAcqfGenerator
from aepsych.models import GPClassificationModel
from torch.quasirandom import SobolEngine

STARTUP = 16


def main() -> None:
    """Serve until the input ends."""
    torch.set_num_threads(1)
    dimensions, seed = int(sys.argv[1]), int(sys.argv[2])
    torch.manual_seed(seed)
    answers, sys.stdout = sys.stdout, sys.stderr  # AEPsych prints
    starts = SobolEngine(dimensions, scramble=True, seed=seed).draw(STARTUP).double()
    low, high = torch.zeros(dimensions), torch.ones(dimensions)
    model = GPClassificationModel(dim=dimensions)
    generator = OptimizeAcqfGenerator(
        lb=low,
        ub=high,
        acqf=EAVC,
        acqf_kwargs={"lb": low, "ub": high, "target": 0.5, "lookahead_type": "posterior"},
        restarts=2,
        samps=100,
    )
    places: list[list[float]] = []
    labels: list[int] = []
    for line in sys.stdin:
        message = json.loads(line)
        answer = None
        if "ask" in message:
            if len(labels) < STARTUP:
                answer = starts[len(labels)].tolist()
            else:
                with contextlib.redirect_stdout(sys.stderr):
                    x, y = torch.tensor(places), torch.tensor(labels, dtype=torch.float32)
                    is_first = len(labels) == STARTUP
                    model.fit(x, y, warmstart_hyperparams=not is_first)
                    answer = generator.gen(1, model)[0].tolist()
        else:
            places.append(message["place"])
            labels.append(message["collapsed"])
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
