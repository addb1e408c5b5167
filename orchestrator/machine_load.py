"""Samples how busy the driver's machine is, for MLflow's page of system metrics.

Only the machine that runs the study's own process is sampled; workers elsewhere are Ray's
dashboard's to show.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping

from orchestrator.mlflow_runs import open_monitors
from orchestrator.mlflow_view import MetricPoint

SAMPLE_SECONDS = 10.0
_MOST_POINTS = 50_000
"""Half a day of them while MLflow is away; the oldest are dropped then."""

Sample = Callable[[], Mapping[str, float]]


class LoadSampler:
    """Samples in a thread of its own from :meth:`start` to :meth:`stop`.

    The thread is a daemon, and ``open_sample`` is called in it.
    """

    def __init__(
        self, open_sample: Callable[[], Sample] = open_monitors, every: float = SAMPLE_SECONDS
    ) -> None:
        self._open_sample = open_sample
        self._every = every
        self._stopped = threading.Event()
        self._points: deque[MetricPoint] = deque(maxlen=_MOST_POINTS)
        self._guard = threading.Lock()
        self._origin = 0
        self._thread = threading.Thread(target=self._run, name="machine-load", daemon=True)

    def start(self, origin: int) -> None:
        """Begin; steps count seconds from ``origin`` (milliseconds since 1970)."""
        if not self._thread.ident:
            self._origin = origin
            self._thread.start()

    def stop(self) -> None:
        """End; what was sampled stays."""
        self._stopped.set()

    def points(self) -> tuple[MetricPoint, ...]:
        """Return what was sampled and not dropped."""
        with self._guard:
            return tuple(self._points)

    def drop(self, points: tuple[MetricPoint, ...]) -> None:
        """Forget points that were written."""
        written = set(points)
        with self._guard:
            kept = [point for point in self._points if point not in written]
            self._points.clear()
            self._points.extend(kept)

    def _run(self) -> None:
        sample = self._open_sample()
        while not self._stopped.is_set():
            now = round(time.time() * 1000)
            step = max(0, (now - self._origin) // 1000)
            values = sample()
            with self._guard:
                self._points += (
                    MetricPoint(f"system/{name}", value, now, step)
                    for name, value in values.items()
                )
            self._stopped.wait(self._every)
