"""Runs the studies of claims one after another through the normal sweep, and decides.

Claims may share a study: it is run once. Every sweep goes on where an earlier one stopped, so the
same call after a crash repeats nothing; a result is written as soon as its study has ended, and
corrected for the paper's others when they are known.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from orchestrator.claims.decide import decide, settle
from orchestrator.claims.figures import draw_claim, draw_scoreboard
from orchestrator.claims.result import (
    ClaimResult,
    choose_results,
    read_results,
    write_result,
)
from orchestrator.claims.scoreboard import build_rows
from orchestrator.errors import ClaimSizeError, ClusterError, SweepCutError
from orchestrator.folder import StudyFolder
from orchestrator.ledger import Ledger
from orchestrator.sweep import Display, SweepOptions, SweepResult, run_sweep
from search_spaces.claim import Claim
from search_spaces.claim_load import load_sized_study, shipped_claims
from search_spaces.claim_size import Size
from search_spaces.study import Study
from trainer.durable import write_durably

FOLDER = "claims"
SCOREBOARD = "scoreboard.png"

Sweep = Callable[[Study, SweepOptions, Display], SweepResult]


class ClaimsDisplay(Display, Protocol):
    """A sweep's display that also says which of the studies is being run."""

    def begin(self, study: Study, number: int, count: int) -> None:
        """Say that the study is next: the ``number``-th of ``count``, from 1."""
        ...

    def show_result(self, result: ClaimResult) -> None:
        """Show what was found."""
        ...


@dataclass(frozen=True, slots=True)
class ClaimsRun:
    """What a run came to.

    ``missing``: studies in which some trial could not be trained. ``failed``: studies that could
    not be run to their end, with the reason; their claims have no new result.
    """

    results: list[ClaimResult]
    files: list[Path]
    missing: list[str]
    failed: dict[str, str]


def run_claims(
    claims: Sequence[Claim],
    size: Size,
    seed: int,
    options: SweepOptions,
    display: ClaimsDisplay,
    sweep: Sweep = run_sweep,
) -> ClaimsRun:
    """Run the studies of these claims, decide each claim, and write results and pictures.

    All studies are read before the first is run. Results land in ``<results>/claims``.

    Args:
        claims: What to test.
        size: QUICK or FULL.
        seed: Another one than 0 repeats the studies with other seeds, beside the first.
        options: How to run the sweeps.
        display: What is shown.
        sweep: Runs one study; tests put a fabricated one here.

    Raises:
        ClaimSizeError: If the size is the paper's.
        SearchSpaceError, OrchestratorError, TrainerError: What the user can mend.
    """
    if size is Size.PAPER:
        raise ClaimSizeError(
            "expected size quick or full, got paper, which is for a cluster: 'rankfall claims plan "
            "--size paper' says what it takes, 'rankfall run' with paper_scale's overrides in the "
            "claim's file runs it"
        )
    studies = {claim.claim: load_sized_study(claim, size, seed) for claim in claims}
    names = list(dict.fromkeys(study.name for study in studies.values()))
    folder = options.results / FOLDER
    files, missing, failed = list[Path](), list[str](), dict[str, str]()
    for number, name in enumerate(names, start=1):
        group = [claim for claim in claims if studies[claim.claim].name == name]
        study = studies[group[0].claim]
        display.begin(study, number, len(names))
        try:
            swept = _sweep_twice(sweep, study, options, display)
        except (ClusterError, SweepCutError) as error:
            failed[name] = str(error)
            continue
        if swept.missing:
            missing.append(name)
        for claim in group:
            result = decide_from_ledger(claim, size, study, options.results)
            files += [write_result(result, folder), _draw(claim, result, folder)]
            display.show_result(result)
    results, settled_files = settle_folder(folder, claims)
    wanted = {claim.claim for claim in claims}
    of_run = [r for r in results if r.claim in wanted and (r.size, r.seed) == (size, seed)]
    return ClaimsRun(of_run, list(dict.fromkeys([*files, *settled_files])), missing, failed)


def _sweep_twice(
    sweep: Sweep, study: Study, options: SweepOptions, display: ClaimsDisplay
) -> SweepResult:
    """Run a study; once more if Ray did not start or ended early, as on a busy machine it may."""
    try:
        return sweep(study, options, display)
    except (ClusterError, SweepCutError):
        display.show_stage("Ray ended early: once more")
        return sweep(study, options, display)


def decide_from_ledger(claim: Claim, size: Size, study: Study, results: Path) -> ClaimResult:
    """Decide a claim by what the ledger of its study holds.

    Raises:
        LedgerError: If there is no ledger of it.
    """
    ledger = Ledger.load(StudyFolder(results / study.name).ledger)
    return decide(claim, size, ledger.study, ledger.records(), ledger.provenance)


def settle_folder(folder: Path, drawn: Sequence[Claim]) -> tuple[list[ClaimResult], list[Path]]:
    """Correct all results of a folder for each other, size by size, and write them again.

    Args:
        folder: Where results are.
        drawn: Claims whose pictures are drawn anew, with the corrected verdict.

    Returns:
        The results, and the files written.
    """
    everything = shipped_claims()
    known = {claim.claim for claim in everything}
    results = [result for result in read_results(folder) if result.claim in known]
    groups: dict[tuple[Size, int], list[ClaimResult]] = {}
    for result in results:
        groups.setdefault((result.size, result.seed), []).append(result)
    settled = [r for group in groups.values() for r in settle(group, everything)]
    files = [write_result(result, folder) for result in settled]
    by_name = {claim.claim: claim for claim in drawn}
    best = choose_results(settled)
    files += [
        _draw(by_name[name], result, folder) for name, result in best.items() if name in by_name
    ]
    picture = folder / SCOREBOARD
    write_durably(picture, draw_scoreboard(build_rows(everything, settled)))
    return settled, [*files, picture]


def _draw(claim: Claim, result: ClaimResult, folder: Path) -> Path:
    path = folder / Path(result.file_name).with_suffix(".png").name
    write_durably(path, draw_claim(claim, result))
    return path
