"""Studies without training: ledgers whose outcomes are functions of settings and replicate."""

from collections.abc import Callable, Mapping
from pathlib import Path

from orchestrator.folder import StudyFolder
from orchestrator.ledger import Ledger
from orchestrator.planners.factory import build_planner
from orchestrator.record import Provenance, TrialRecord, to_finding
from orchestrator.sweep import Display, SweepOptions, SweepResult
from search_spaces.load import parse_study
from search_spaces.study import Study
from trainer.cohort import History, Outcome
from trainer.collapse.regime import Regime

Truth = Callable[[TrialRecord], Mapping[str, float] | Regime | None]
"""Measures of a trial, or a regime without any (DIVERGED, COMPLETE), or None: never trained."""

PROVENANCE = Provenance(git_commit="abc", versions={"rankfall": "1"}, command="test")
TEXT = """\
study: lab
question: grid
data: {source: digits}
model: {encoder: mlp, hidden: [8], embed_dim: 16}
train: {batch_size: 32, steps: 4}
objective: {kind: [infonce, clop], temperature: [0.1, 1.0]}
lr: [0.1, 1.0, 10.0]
seeds: 3
budget: {trials: 1000}
"""


def make_study(*overrides: str) -> Study:
    """Return a study of two kinds, two temperatures, three learning rates, three seeds."""
    return parse_study(TEXT, "lab.yaml", overrides)


def fill(study: Study, folder: Path, truth: Truth) -> Ledger:
    """Ask the study's planner for trials and tell it what ``truth`` says, to its end."""
    StudyFolder(folder).create()
    ledger = Ledger.open(folder / "ledger.journal", study)
    ledger.set_provenance(PROVENANCE)
    planner = build_planner(study)
    while proposals := planner.ask():
        first = len(ledger.records())
        ledger.add_round(proposals)
        for record in ledger.records()[first:]:
            said = truth(record)
            if said is None:
                ledger.tell_missing(record.key, "out of memory")
                planner.tell_missing(record.proposal)
            else:
                outcome = make_outcome(record.key, said)
                ledger.tell(outcome)
                planner.tell(record.proposal, to_finding(study, outcome))
    return ledger


def make_outcome(
    key: str, said: Mapping[str, float] | Regime, coupling: History | None = None
) -> Outcome:
    """Return an outcome with these measures; a regime alone is that of a collapsed trial."""
    measures = {} if isinstance(said, Regime) else dict(said)
    return Outcome(
        trial=key,
        regime=said if isinstance(said, Regime) else Regime.HEALTHY,
        score=1.0 if isinstance(said, Regime) else 8.0,
        measures=measures,
        initial={},
        spectrum=(),
        history=History(steps=(), values={}),
        steps_done=4,
        decided_early=False,
        seconds=0.5,
        coupling=coupling,
    )


def sweeping(truth: Truth, begun: list[str]) -> Callable[..., SweepResult]:
    """Return what takes the place of a sweep: writes the ledger, notes the study's name."""

    def sweep(study: Study, options: SweepOptions, display: Display) -> SweepResult:
        begun.append(study.name)
        display.show_stage("training")
        ledger = fill(study, options.results / study.name, truth)
        display.show_records(study, ledger.records())
        return SweepResult(study, ledger.records(), [], None)

    return sweep
