"""Where a study with ``prior: other-study`` starts: what that study's ledger holds, read once.

A study that was begun before starts from what its own ledger wrote down then, so it goes on
alike whether the other study went on, was changed or is gone.
"""

import dataclasses
from pathlib import Path

from orchestrator.errors import PriorError
from orchestrator.folder import StudyFolder
from orchestrator.ledger import Ledger, read_start
from orchestrator.planners.prior import sum_up_boundary
from orchestrator.record import to_finding
from search_spaces.prior_boundary import PriorBoundary
from search_spaces.study import Study


def with_start(study: Study, results: Path) -> Study:
    """Return the study with the boundary it starts from; without ``prior``, as it is.

    Args:
        study: As its file says.
        results: Root folder of all studies' results: the prior's ledger lies below it.

    Raises:
        PriorError: If there is no such study, or it found no boundary.
        LedgerError: If a ledger is not one that Rankfall wrote.
    """
    if study.prior is None:
        return study
    own = StudyFolder(results / study.name).ledger
    start = read_start(own) or _find_start(study, study.prior, results)
    return dataclasses.replace(study, start=start)


def _find_start(study: Study, prior: str, results: Path) -> PriorBoundary:
    path = StudyFolder(results / prior).ledger
    if not path.is_file():
        raise PriorError(
            f"prior: {path}: there is no ledger here; run the study {prior} first, choose its "
            "folder with --results, or leave prior out"
        )
    ledger = Ledger.load(path)
    findings = [
        (record.proposal, to_finding(ledger.study, record.outcome))
        for record in ledger.records()
        if record.outcome is not None
    ]
    return sum_up_boundary(ledger.study, findings, study)
