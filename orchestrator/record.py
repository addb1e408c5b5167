"""What the ledger says of one trial and of the study's origin: the input of every view.

Reports, tables and MLflow are made from these records alone, so they can always be made again.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from orchestrator.planners.protocol import Finding, Proposal
from search_spaces.study import Study
from trainer.cohort import Outcome
from trainer.collapse.regime import Regime
from trainer.trial_settings import TrialSettings


class TrialState(StrEnum):
    """Where a trial stands. MISSING: its attempts failed (out of memory, lost node, a bug)."""

    PENDING = "pending"
    FINISHED = "finished"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class TrialRecord:
    """One trial of the ledger.

    Attributes:
        number: Position in the ledger, from 0.
        round_number: The planner's round that asked for it, from 0.
        seed: The replicate's seed (weights, batches, augmentations).
        outcome: Set exactly when ``state`` is FINISHED.
        failure: Last error line of a MISSING trial.
        asked_at: When the ledger took the trial in (UTC).
        told_at: When its outcome was told (UTC); None before.
    """

    number: int
    round_number: int
    proposal: Proposal
    settings: TrialSettings
    seed: int
    state: TrialState
    outcome: Outcome | None
    failure: str | None
    asked_at: datetime
    told_at: datetime | None

    @property
    def key(self) -> str:
        """Canonical key of the trial."""
        return self.proposal.key


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where a study's numbers come from, for reproduction; no secrets, no host names.

    Attributes:
        git_commit: Commit of the Rankfall checkout with ``+dirty`` when changed; None when
            installed without git.
        versions: Versions of rankfall, python, torch, ray, optuna, mlflow by name.
        command: The command that repeats the study.
        lock_digest: Of ``requirements.lock`` beside that checkout; None without one.
        data_digest: Of what was trained and tested with, as MLflow shows it; None if it was not
            to be had where the study was run from, or the study was never finished.
    """

    git_commit: str | None
    versions: dict[str, str]
    command: str
    lock_digest: str | None = None
    data_digest: str | None = None


def to_finding(study: Study, outcome: Outcome) -> Finding:
    """Return what a planner may learn from an outcome."""
    metric = None if study.optimise is None else study.optimise.metric
    return Finding(
        score=outcome.score,
        is_collapsed=outcome.is_collapsed,
        is_diverged=outcome.regime is Regime.DIVERGED,
        utility=None if metric is None else outcome.measures.get(metric),
        steps=outcome.steps_done,
        seconds=outcome.seconds,
        is_pruned=outcome.pruned_at_step is not None,
    )
