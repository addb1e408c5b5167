"""What a study that ended took and found, from its ledger."""

from math import log10
from pathlib import Path
from typing import TYPE_CHECKING, assert_never

from orchestrator.folder import StudyFolder
from orchestrator.job_request import JobRequest
from orchestrator.schedule.movement import Interval
from orchestrator.schedule.roles import Findings

if TYPE_CHECKING:
    from orchestrator.collapse_map import SliceMap


class LedgerReader:
    """Reads ledgers that can be seen from here; see :class:`orchestrator.schedule.roles.Reader`."""

    def read(self, request: JobRequest) -> Findings:
        """Return trial-hours and boundaries; why not, where they cannot be had."""
        path = StudyFolder(Path(request.results) / request.study).ledger
        if not path.is_file():
            return Findings(None, (), f"its ledger {path} cannot be seen from here: not compared")
        try:
            return _read_ledger(path)
        # One study's broken file must not keep the scheduler from the others.
        except Exception as error:
            reason = (str(error) or type(error).__name__).splitlines()[0]
            return Findings(None, (), f"its ledger cannot be read ({reason}): not compared")


def _read_ledger(path: Path) -> Findings:
    # These load torch: a scheduler that waits for the night need not.
    from orchestrator.collapse_map import build_map  # noqa: PLC0415
    from orchestrator.ledger import Ledger  # noqa: PLC0415

    ledger = Ledger.load(path)
    records = ledger.records()
    seconds = sum(record.outcome.seconds for record in records if record.outcome is not None)
    found = build_map(ledger.study, records, at_study_level_only=True)
    if found.lr_range is None:
        return Findings(seconds / 3600, (), "it maps no boundary: not compared")
    boundaries = tuple(to_interval(part, found.lr_range) for part in found.slices)
    return Findings(seconds / 3600, boundaries)


def to_interval(slice_map: "SliceMap", lr_range: tuple[float, float]) -> Interval:
    """Return where a slice's boundary lies at the study's level, as the interval to compare."""
    from orchestrator.planners.threshold import Verdict  # noqa: PLC0415

    boundary = slice_map.boundary
    low: float | None = None
    high: float | None = None
    match boundary.verdict:
        case Verdict.INSIDE | Verdict.TRANSITION:
            if boundary.band_lr is not None:
                low, high = log10(boundary.band_lr[0]), log10(boundary.band_lr[1])
        case Verdict.ABOVE:
            low = log10(lr_range[1])
        case Verdict.BELOW:
            high = log10(lr_range[0])
        case Verdict.UNDECIDED:
            pass
        case _:
            assert_never(boundary.verdict)
    coordinates = slice_map.point.coordinates
    label = " ".join(f"{path}={value}" for path, value in coordinates)
    return Interval(label, boundary.verdict.value, low, high, boundary.critical_lr)
