"""AEPsych, driven through its own interpreter: numpy 1.26 and SQLAlchemy 1.4 do not fit ours.

The server (``aepsych_server.py``) speaks JSON, one object a line. AEPsych's method is made for
yes or no answers: it is told the label and asks by expected absolute volume change (EAVC) around
the even chance of collapse, with a variational GP classifier; the common read-out then sees the
continuous scores of the trials it chose, which is more than AEPsych itself would see.

References:
    Letham et al., "Look-ahead acquisition functions for Bernoulli level set estimation",
    AISTATS 2022, arXiv:2203.09751.
"""

import json
import os
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from tests.benchmarks.rivals.lab import Lab

SERVER = Path(__file__).with_name("aepsych_server.py")


def run_aepsych(lab: Lab) -> None:
    """Let AEPsych ask until the purse is empty.

    Raises:
        KeyError: If AEPSYCH_PYTHON names no interpreter.
        RuntimeError: If the server ends early.
    """
    command = [os.environ["AEPSYCH_PYTHON"], str(SERVER), str(lab.cell.dimensions), str(lab.seed)]
    with (
        tempfile.TemporaryDirectory(prefix="aepsych") as folder,  # AEPsych logs where it is run
        subprocess.Popen(
            command,
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        ) as server,
    ):
        try:
            while True:
                place = _exchange(server, {"ask": True})
                if lab.cell.has_categories:
                    place[-1] = round(place[-1])
                is_collapsed = lab.run(place).finding.is_collapsed
                _exchange(server, {"place": place, "collapsed": int(is_collapsed)})
        finally:
            server.terminate()


def _exchange(server: "subprocess.Popen[str]", message: dict[str, Any]) -> Any:
    assert server.stdin is not None
    assert server.stdout is not None
    server.stdin.write(json.dumps(message) + "\n")
    server.stdin.flush()
    answer = server.stdout.readline()
    if not answer:
        raise RuntimeError(f"AEPsych ended early: try {server.args!r} by hand")
    return json.loads(answer)
