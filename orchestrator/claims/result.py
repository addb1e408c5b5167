"""What was found about a claim: plain numbers that outlive the ledger they came from."""

import json
from collections.abc import Iterable
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from orchestrator.errors import ClaimResultError
from search_spaces.claim_size import Size
from trainer.durable import write_durably
from trainer.settings import Frozen


class ClaimVerdict(StrEnum):
    """What the numbers say of a claim at one size."""

    SUPPORTED = "supported"
    CONTRADICTED = "contradicted"
    INCONCLUSIVE = "inconclusive"


class ArmValues(Frozen):
    """One arm's numbers by seed; ``at`` is its place on the axis of a slope."""

    label: str
    at: float | None
    values: tuple[float, ...]


class ContrastResult(Frozen):
    """What one contrast came to.

    Attributes:
        is_slope, is_log: Whether values are slopes along an axis, and those per decade of it.
        seeds: The replicates that count, the same in every arm.
        values: One number for each of them; ``mean`` with its 95 % interval ``low`` to ``high``,
            None where fewer than five seeds count.
        p_support, p_against: One-sided, of the mean lying where the claim says, or opposite.
        thresholds: Critical learning rates that the arms' numbers are made of, and how many of
            them are ``censored``: they lie beyond the studied range and were taken to be its end.
        dropped: Seeds left out because a trial is missing or has no such measure.
    """

    label: str
    measure: str
    is_slope: bool
    is_log: bool = False
    expect: Literal["above", "below", "near"]
    target: float
    margin: float | None
    seeds: tuple[int, ...]
    arms: tuple[ArmValues, ...]
    values: tuple[float, ...]
    mean: float | None
    low: float | None
    high: float | None
    p_support: float
    p_against: float
    thresholds: int = 0
    censored: int
    dropped: int


class BoundResult(Frozen):
    """How often a bound was looked at, how often it did not hold, and by how much at worst."""

    label: str
    checked: int
    violated: int
    least: float | None


class ClaimResult(Frozen):
    """What one run of a claim's study says.

    ``p`` is two-sided, ``p_holm`` adjusted for all claims of the paper; both None for a bound.
    ``trial_seconds``: training time over all trials. ``seed``: what the study's seeds derive from.
    """

    claim: str
    paper: str
    size: Size
    study: str
    digest: str
    seed: int
    trials: int
    missing: int
    contrasts: tuple[ContrastResult, ...]
    also: tuple[ContrastResult, ...]
    bound: BoundResult | None
    p: float | None
    p_holm: float | None
    verdict: ClaimVerdict
    decided_on: date
    trial_seconds: float
    git_commit: str | None
    versions: dict[str, str]

    @property
    def file_name(self) -> str:
        """Name of its file: one for each claim, size and seed."""
        seed = f".seed{self.seed}" if self.seed else ""
        return f"{self.claim}.{self.size}{seed}.json"


def write_result(result: ClaimResult, folder: Path) -> Path:
    """Write a result into a folder, which is made if missing, and return the file.

    Raises:
        ClaimResultError: If it cannot be written.
    """
    path = folder / result.file_name
    content = json.dumps(result.model_dump(mode="json"), indent=1, ensure_ascii=False)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_durably(path, f"{content}\n".encode())
    except OSError as error:
        raise ClaimResultError(
            f"{path}: cannot be written ({error.strerror}); choose another folder with --results"
        ) from error
    return path


def read_results(folder: Path) -> list[ClaimResult]:
    """Return the results in a folder, by file name; none if there is no such folder.

    Raises:
        ClaimResultError: If a file is not a result.
    """
    return [_read(path) for path in sorted(folder.glob("*.json"))]


def _read(path: Path) -> ClaimResult:
    try:
        return ClaimResult.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        reason = str(error).splitlines()[0]
        raise ClaimResultError(
            f"{path}: is not the result of a claim ({reason}); remove it and run the claim again"
        ) from error


def choose_results(results: Iterable[ClaimResult]) -> dict[str, ClaimResult]:
    """Return one result for each claim: the larger size first, then the study's own seed."""
    order = {Size.FULL: 0, Size.QUICK: 1, Size.PAPER: 2}
    chosen: dict[str, ClaimResult] = {}
    for result in sorted(results, key=lambda r: (order[r.size], r.seed)):
        chosen.setdefault(result.claim, result)
    return chosen
