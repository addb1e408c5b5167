"""``rankfall claims``: the scoreboard of the papers' claims, and the studies behind it."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape

import trainer
from orchestrator.claims.progress import ClaimsTerminal
from orchestrator.claims.result import ClaimResult, read_results, write_result
from orchestrator.claims.run import FOLDER, ClaimsRun, run_claims
from orchestrator.claims.scoreboard import (
    Row,
    build_rows,
    put_between_marks,
    to_markdown,
    to_table,
)
from orchestrator.command_run import EXIT_FAILED, EXIT_INTERRUPTED, ending_on_sigterm
from orchestrator.errors import ClaimResultError, ClaimSizeError
from orchestrator.lane_plan import LaneRequest
from orchestrator.planners.forecast import forecast
from orchestrator.ray_environment import ray_environment
from orchestrator.sweep import SweepOptions
from search_spaces.claim import Claim
from search_spaces.claim_load import (
    KEPT_RESULTS,
    find_claim,
    load_sized_study,
    shipped_claims,
)
from search_spaces.claim_size import Size
from trainer.durable import write_durably

PICTURES = Path(trainer.__file__).parent.parent / ".github" / "claims"
"""The kept results' pictures, in a checkout."""


def build_scoreboard(results: Path) -> list[Row]:
    """Return the scoreboard: results kept with Rankfall, where the folder has none of its own.

    Raises:
        StudyFileError, ClaimResultError: If a claim or a result cannot be read.
    """
    own = read_results(results / FOLDER)
    names = {result.claim for result in own}
    kept = [result for result in read_results(KEPT_RESULTS) if result.claim not in names]
    return build_rows(shipped_claims(), [*own, *kept])


def kept_markdown() -> str:
    """Return the scoreboard of the results kept with Rankfall: what the README shows."""
    return to_markdown(build_rows(shipped_claims(), read_results(KEPT_RESULTS)))


def write_page(results: Path, file: Path) -> Path:
    """Write the scoreboard as one HTML file, pictures inside, and return it.

    Raises:
        StudyFileError, ClaimResultError: If a claim or a result cannot be read, or the file not
            be written.
    """
    from orchestrator.claims.page import render_page  # noqa: PLC0415 (two seconds)

    rows = build_scoreboard(results)
    page = render_page(rows, (results / FOLDER, PICTURES))
    try:
        write_durably(file, page.encode())
    except OSError as error:
        raise ClaimResultError(f"{file}: cannot be written ({error.strerror})") from error
    return file


def update_document(path: Path) -> None:
    """Put the kept results' scoreboard between the marks of a Markdown file.

    Raises:
        ClaimResultError: If it cannot be read or written, or has no marks.
    """
    try:
        changed = put_between_marks(path.read_text(), kept_markdown())
        path.write_text(changed)
    except (OSError, ValueError) as error:
        raise ClaimResultError(f"{path}: cannot take the scoreboard: {error}") from error


def run_selected(
    names: Sequence[str],
    size: Size,
    seed: int,
    results: Path,
    track: bool,
    keep: bool,
    command: Sequence[str],
) -> int:
    """Run claims to their end, show the scoreboard of these, and return the exit code.

    Raises:
        SearchSpaceError, OrchestratorError, TrainerError: What the user can mend.
    """
    if keep and size is not Size.FULL:
        raise ClaimSizeError(f"--keep is for results of --size full, got {size}; leave it out")
    claims = choose_claims(names)
    screen = Console(stderr=True)
    options = SweepOptions(results, LaneRequest(None, None, 1.0), command, track)
    try:
        # One token for all: Ray keeps the first one it read for as long as the process lives, and
        # a second cluster with a token of its own would not be let in to.
        with ending_on_sigterm(), ray_environment(), ClaimsTerminal(screen) as display:
            done = run_claims(claims, size, seed, options, display)
    except KeyboardInterrupt:
        screen.print("stopped; finished trials are kept: the same command goes on")
        return EXIT_INTERRUPTED
    return _conclude(claims, done, results, keep, screen)


def choose_claims(names: Sequence[str]) -> tuple[Claim, ...]:
    """Return the shipped claims of these names, all if there is none.

    Raises:
        ClaimNotFoundError: If one is unknown.
    """
    return tuple(find_claim(name) for name in names) or shipped_claims()


def _conclude(
    claims: Sequence[Claim], done: ClaimsRun, results: Path, keep: bool, screen: Console
) -> int:
    Console().print(to_table(_rows_of(claims, done.results)))
    screen.print(f"results and pictures: {escape(str(results / FOLDER))}", soft_wrap=True)
    if keep:
        _keep(done.results)
        screen.print(f"kept in {escape(str(KEPT_RESULTS))}", soft_wrap=True)
    for name in done.missing:
        screen.print(f"[red]missing[/] trials in {name}; the same command tries them again")
    for name, reason in done.failed.items():
        screen.print(f"[red]not run[/] {name}: {escape(reason)}; the same command goes on")
    return EXIT_FAILED if done.missing or done.failed else 0


def _rows_of(claims: Sequence[Claim], results: Sequence[ClaimResult]) -> list[Row]:
    found = {result.claim: result for result in results}
    return [Row(claim, found.get(claim.claim)) for claim in claims]


def _keep(results: Sequence[ClaimResult]) -> None:
    """Put results beside the claims, in the place of smaller ones and older ones."""
    for result in results:
        write_result(result, KEPT_RESULTS)


def plan_claims(names: Sequence[str], size: Size) -> list[dict[str, Any]]:
    """Return what the studies of claims take, each study once; nothing is trained or timed.

    Raises:
        SearchSpaceError: If a claim is unknown or its study is not valid.
    """
    studies = {
        study.name: (claim, study)
        for claim in reversed(choose_claims(names))
        for study in [load_sized_study(claim, size)]
    }
    return [
        {"study": name, "digest": study.digest, **dataclasses.asdict(forecast(study))}
        for name, (_, study) in sorted(studies.items())
    ]
