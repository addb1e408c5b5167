"""The scoreboard: every claim, the paper's number, ours, the verdict, what differs."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from orchestrator.claims.decide import settle
from orchestrator.claims.result import ClaimResult, ClaimVerdict, choose_results
from orchestrator.claims.wording import say_ours, say_p
from search_spaces.claim import Claim

START, END = "<!-- claims -->", "<!-- /claims -->"
_STYLES = {
    ClaimVerdict.SUPPORTED: "bold green",
    ClaimVerdict.CONTRADICTED: "bold red",
    ClaimVerdict.INCONCLUSIVE: "yellow",
}


@dataclass(frozen=True, slots=True)
class Row:
    """A claim and what was found; None where it was not run."""

    claim: Claim
    result: ClaimResult | None


def build_rows(claims: Sequence[Claim], results: Sequence[ClaimResult]) -> list[Row]:
    """Return one row for each claim, with Holm's correction over each paper's results.

    Args:
        claims: All claims, in the order of the scoreboard.
        results: Any number for each; :func:`choose_results` takes one. Those of claims that are
            no more are left out.
    """
    known = {claim.claim for claim in claims}
    chosen = choose_results(result for result in results if result.claim in known)
    settled = {result.claim: result for result in settle(chosen.values(), claims)}
    return [Row(claim, settled.get(claim.claim)) for claim in claims]


def to_content(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Return the scoreboard as plain data, for ``--json``."""
    return [
        {
            "claim": row.claim.claim,
            "paper": row.claim.paper,
            "sentence": row.claim.sentence,
            "figure": row.claim.figure,
            "differs": row.claim.differs,
            "result": None if row.result is None else row.result.model_dump(mode="json"),
        }
        for row in rows
    ]


def to_table(rows: Sequence[Row]) -> RenderableType:
    """Return the scoreboard for a terminal."""
    table = Table(box=None, pad_edge=False, show_lines=True)
    for name in ("claim", "paper says", "here", "p (Holm)", "verdict"):
        table.add_column(name, overflow="fold")
    for row in rows:
        sentence = f"{row.claim.sentence} ({row.claim.figure})"
        table.add_row(row.claim.claim, sentence, *_cells(row.result))
    run = sum(row.result is not None for row in rows)
    return Group(table, Text(f"{run} of {len(rows)} claims have a result; --json says all of it."))


def _cells(result: ClaimResult | None) -> list[RenderableType]:
    if result is None:
        return [Text("not run"), Text("-"), Text("-")]
    size = "" if result.size == "full" else f" ({result.size})"
    return [
        Text("\n".join(say_ours(result))),
        Text(say_p(result.p_holm)),
        Text(f"{result.verdict}{size}", style=_STYLES[result.verdict]),
    ]


def to_markdown(rows: Sequence[Row]) -> str:
    """Return the scoreboard as one Markdown table for each paper; empty without any result."""
    papers: dict[str, list[Row]] = {}
    for row in rows:
        papers.setdefault(row.claim.paper, []).append(row)
    return "\n\n".join(
        _tabulate(paper, group)
        for paper, group in papers.items()
        if any(row.result is not None for row in group)
    )


def _tabulate(paper: str, rows: Sequence[Row]) -> str:
    lines = [
        f"**{_plain(paper)}**",
        "",
        "| claim | the paper | here: mean, 95 % interval | p (Holm) | verdict | what differs |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        claim, result = row.claim, row.result
        if result is None:
            ours, p, verdict = "not run", "-", "-"
        else:
            ours = "<br>".join(_plain(line) for line in say_ours(result))
            p, verdict = say_p(result.p_holm), f"**{result.verdict}**"
            verdict += "" if result.size == "full" else f" ({result.size})"
        said = f"{_plain(claim.sentence)} ({_plain(claim.figure)})"
        lines.append(
            f"| `{claim.claim}` | {said} | {ours} | {p} | {verdict} | {_plain(claim.differs)} |"
        )
    return "\n".join(lines)


def _plain(text: str) -> str:
    """Return text on one line that ends no cell."""
    return " ".join(text.split()).replace("|", "\\|")


def put_between_marks(document: str, markdown: str) -> str:
    """Return a document with the scoreboard between its two marks.

    Raises:
        ValueError: If the document does not have the marks, once each and in order.
    """
    if document.count(START) != 1 or document.count(END) != 1:
        raise ValueError(f"expected the lines {START} and {END}, once each")
    before, rest = document.split(START)
    if END not in rest:
        raise ValueError(f"expected {START} before {END}")
    return f"{before}{START}\n{markdown}\n{END}{rest.split(END)[1]}"


def between_marks(document: str) -> str:
    """Return what stands between the marks; empty without them."""
    found = re.search(f"{START}\n(.*?)\n?{END}", document, flags=re.DOTALL)
    return "" if found is None else found.group(1)
