"""A study's results in Python: ``from orchestrator.results import load``.

Everything comes from the ledger alone, of a study that has ended or still runs. Importing this
module is free; pandas, matplotlib and the rest are loaded when they are first needed.
"""

from base64 import b64encode
from dataclasses import dataclass
from functools import cached_property
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import pandas as pd

    from orchestrator.collapse_map import CollapseMap, SliceMap
    from orchestrator.planners.threshold import Verdict
    from orchestrator.record import Provenance, TrialRecord
    from search_spaces.point import Point, Value
    from search_spaces.study import Study

DEFAULT_RESULTS = Path("rankfall-results")
_ROWS = 10


@dataclass(frozen=True, slots=True)
class CriticalLr:
    """The critical learning rate of one slice, in the study's units.

    Attributes:
        point: The slice.
        verdict: What may be said of it.
        median: None unless a single threshold lies inside the studied range.
        band: 95 % credible band of the median, or the interval of a transition; else None.
        censored: The side of the studied range beyond which the threshold lies; None if inside.
        trials: How many finished trials say so.
    """

    point: "Point"
    verdict: "Verdict"
    median: float | None
    band: tuple[float, float] | None
    censored: Literal["above", "below"] | None
    trials: int


@dataclass(frozen=True)
class Results:
    """What a study's ledger held when it was loaded; notebooks show its map."""

    study: "Study"
    records: tuple["TrialRecord", ...]
    provenance: "Provenance"

    @cached_property
    def trials(self) -> "pd.DataFrame":
        """One row a trial, sorted by key: the columns of ``trials.csv``."""
        from orchestrator.report.tables import tabulate_trials  # noqa: PLC0415

        return tabulate_trials(self.study, self.records)

    @cached_property
    def collapse_map(self) -> "CollapseMap":
        """Outcomes, boundary and band."""
        from orchestrator.collapse_map import build_map  # noqa: PLC0415

        return build_map(self.study, self.records)

    def boundary(self, **coordinates: "Value") -> CriticalLr:
        """Return the critical learning rate of one slice, at the study's collapse level.

        Args:
            coordinates: As many as tell the slice, by axis path or its end: ``kind="clop"``,
                ``temperature=0.1``; numbers are equal up to four digits.

        Raises:
            ResultsError: If no slice lies there, or several do.
        """
        from orchestrator.planners.threshold import Verdict  # noqa: PLC0415

        found = self._find_slice(coordinates)
        boundary = found.boundary
        sides: dict[Verdict, Literal["above", "below"]] = {
            Verdict.ABOVE: "above",
            Verdict.BELOW: "below",
        }
        return CriticalLr(
            point=found.point,
            verdict=boundary.verdict,
            median=boundary.critical_lr,
            band=boundary.band_lr,
            censored=sides.get(boundary.verdict),
            trials=boundary.trials,
        )

    def _find_slice(self, coordinates: "dict[str, Value]") -> "SliceMap":
        from orchestrator.compare.arm import find_axis  # noqa: PLC0415
        from orchestrator.errors import CompareError, ResultsError  # noqa: PLC0415
        from orchestrator.report.wording import describe_point  # noqa: PLC0415
        from search_spaces.claim_load import same_value  # noqa: PLC0415

        try:
            wanted = {find_axis(name, self.study): value for name, value in coordinates.items()}
        except CompareError as error:
            raise ResultsError(str(error)) from error
        found = []
        for slice_map in self.collapse_map.slices:
            own = dict(slice_map.point.coordinates)
            if all(p in own and same_value(own[p], value) for p, value in wanted.items()):
                found.append(slice_map)
        if len(found) == 1:
            return found[0]
        slices = found or self.collapse_map.slices
        listed = "; ".join(describe_point(s.point) for s in slices[:_ROWS])
        more = "; ..." if len(slices) > _ROWS else ""
        raise ResultsError(
            f"study {self.study.name}: expected coordinates of one slice, got those of "
            f"{len(found)}; there are {listed or 'none, for lr is no axis of it'}{more}"
        )

    def _repr_png_(self) -> bytes | None:
        from orchestrator.report.map_figure import draw_map  # noqa: PLC0415

        return draw_map(self.collapse_map) if self.collapse_map.slices else None

    def _repr_html_(self) -> str:
        from orchestrator.report.answer import answer_question  # noqa: PLC0415

        answer = answer_question(self.collapse_map)
        said = " ".join(answer.sentences)
        head = f"<h3>{escape(answer.question)}</h3><p>{escape(said)}</p>"
        picture = self._repr_png_()
        if picture is None:
            return head + str(self.trials.head(_ROWS).to_html(index=False))
        data = b64encode(picture).decode()
        source = f"data:image/png;base64,{data}"
        return f"""{head}<img style="max-width: 100%" alt="{escape(said)}" src="{source}">"""

    def __repr__(self) -> str:
        counts = self.collapse_map.counts
        return (
            f"<Results of study {self.study.name} ({self.study.digest}): "
            f"{counts.finished} trials finished, {counts.missing} missing>"
        )


def load(study: str | Path, results: str | Path = DEFAULT_RESULTS) -> Results:
    """Return a study's results as its ledger has them now.

    Args:
        study: Name of a study in the results folder, or the path of a study's own folder.
        results: The folder that ``rankfall run`` wrote to.

    Raises:
        LedgerError: If there is no such study, or its ledger is not one that Rankfall wrote.
    """
    from orchestrator.folder import StudyFolder  # noqa: PLC0415
    from orchestrator.ledger import Ledger  # noqa: PLC0415

    own = StudyFolder(Path(study))
    folder = own if own.ledger.is_file() else StudyFolder(Path(results) / study)
    ledger = Ledger.load(folder.ledger)
    return Results(ledger.study, tuple(ledger.records()), ledger.provenance)
