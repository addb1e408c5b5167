"""The scoreboard as one HTML page: no network, readable by anyone who was not there.

The template escapes every value (Jinja's autoescape); a content security policy forbids every
request. Pictures are inside the file: those that lie in a folder, else drawn here.
"""

from base64 import b64encode
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from orchestrator.claims.figures import draw_claim, draw_scoreboard
from orchestrator.claims.result import ClaimResult, ClaimVerdict
from orchestrator.claims.scoreboard import Row
from orchestrator.claims.wording import say_ours, say_p

SIGNS = {
    ClaimVerdict.SUPPORTED: "●",
    ClaimVerdict.CONTRADICTED: "✕",
    ClaimVerdict.INCONCLUSIVE: "■",
}
"""Verdicts differ in sign and word, not in colour alone."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A claim as the page shows it; ``result`` and all that follows from it may be missing."""

    row: Row
    found: tuple[str, ...]
    p: str
    verdict: str
    sign: str
    picture: str
    alt: str
    command: str


def render_page(rows: Sequence[Row], pictures: Sequence[Path] = ()) -> str:
    """Return the page.

    Args:
        rows: The scoreboard.
        pictures: Folders with a claim's picture as ``CLAIM.png``, or under the name of its
            result; the first that has it counts. Without any it is drawn.
    """
    folder = files("orchestrator.report") / "page"
    papers: dict[str, list[Entry]] = {}
    for row in rows:
        papers.setdefault(row.claim.paper, []).append(_enter(row, pictures))
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    template = environment.from_string((folder / "claims.html.j2").read_text("utf-8"))
    style = "\n".join((folder / name).read_text("utf-8") for name in ("report.css", "claims.css"))
    return template.render(
        papers=papers,
        sentences=summarise(rows),
        overview=_embed(draw_scoreboard([row for row in rows if row.result] or rows)),
        overview_alt=" ".join(summarise(rows)) + " The tables below have every number.",
        style=Markup(style),
    )


def summarise(rows: Sequence[Row]) -> tuple[str, ...]:
    """Return the answer in two sentences: how many claims were decided how, and which not."""
    counts = Counter(row.result.verdict for row in rows if row.result is not None)
    run = sum(counts.values())
    parts = [f"{counts[verdict]} {verdict}" for verdict in ClaimVerdict]
    first = f"Of {len(rows)} claims {run} were tested here: {', '.join(parts)}."
    against = _names(rows, ClaimVerdict.CONTRADICTED)
    second = f"Contradicted: {', '.join(against)}." if against else "None was contradicted."
    return first, second


def _names(rows: Sequence[Row], verdict: ClaimVerdict) -> list[str]:
    found = [row for row in rows if row.result is not None and row.result.verdict is verdict]
    return [row.claim.claim for row in found]


def _enter(row: Row, pictures: Sequence[Path]) -> Entry:
    result, name = row.result, row.claim.claim
    if result is None:
        return Entry(row, ("not run",), "–", "not run", "○", "", "", f"rankfall claims run {name}")
    found = tuple(say_ours(result))
    size = "" if result.size == "full" else f" ({result.size})"
    seed = f" --seed {result.seed}" if result.seed else ""
    return Entry(
        row=row,
        found=found,
        p=say_p(result.p_holm),
        verdict=f"{result.verdict}{size}",
        sign=SIGNS[result.verdict],
        picture=_embed(_find_picture(row, result, pictures)),
        alt=f"{name}, {result.verdict}. " + "; ".join(found),
        command=f"rankfall claims run {name} --size {result.size}{seed}",
    )


def _find_picture(row: Row, result: ClaimResult, pictures: Sequence[Path]) -> bytes:
    own = Path(result.file_name).with_suffix(".png").name
    for folder in pictures:
        for name in (own, f"{row.claim.claim}.png"):
            path = folder / name
            if path.is_file():
                return path.read_bytes()
    return draw_claim(row.claim, result)


def _embed(picture: bytes) -> str:
    return f"data:image/png;base64,{b64encode(picture).decode()}"
