"""``rankfall simulate``: what a budget buys, before anything is trained."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.progress import Progress
from rich.table import Table
from rich.text import Text

from orchestrator.command_read import find_study
from orchestrator.errors import SimulationError
from orchestrator.planners.rehearsal import SHARES, Purchase, rehearse
from orchestrator.planners.world_kind import WorldKind
from search_spaces.study import Question, Study


def simulate_study(
    name: str, overrides: Sequence[str], world: WorldKind, repeats: int, seed_noise: float | None
) -> dict[str, Any]:
    """Run a study's planner in simulated worlds; a progress bar shows on a terminal's stderr.

    Raises:
        SimulationError: If the study maps no boundary.
        SearchSpaceError: If there is no such study, or it is not valid.
    """
    study = find_study(name, overrides)
    _require_boundary(study)
    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("simulating", total=len(SHARES) * repeats)
        purchases = rehearse(study, world, repeats, seed_noise, lambda: progress.advance(task))
    return {
        "study": study.name,
        **({} if study.prior is None else {"prior_not_counted": study.prior}),
        "planner": str(study.planner),
        "world": str(world),
        "seed_noise": seed_noise,
        "repeats": repeats,
        "slices": len(study.slices()),
        "budgets": [dataclasses.asdict(purchase) for purchase in purchases],
    }


def show_simulation(simulation: Mapping[str, Any]) -> RenderableType:
    """Return the budgets as a table, and how to read it."""
    table = Table(box=None, pad_edge=False)
    for name in ("budget", "trials", "trial-steps", "rounds", "band", "error", "coverage"):
        table.add_column(name, justify="right")
    table.add_column("slices")
    for row in simulation["budgets"]:
        table.add_row(*_cells(Purchase(**row)))
    worlds = "world" if simulation["repeats"] == 1 else "worlds"
    words = (
        f"{simulation['repeats']} {simulation['world']} {worlds} over the {simulation['slices']} "
        f"slices of {simulation['study']}, planner {simulation['planner']}. Band (95 %) and error "
        "in decades of learning rate, over slices that got a number; coverage: how many of those "
        "bands hold the truth. Real seeds may be noisier: try --seed-noise 0.2."
    )
    if "prior_not_counted" in simulation:
        words += f" The prior, {simulation['prior_not_counted']}, knows nothing of these worlds "
        words += "and is left out."
    return Group(table, Text(words))


def _cells(purchase: Purchase) -> list[str]:
    verdicts = ", ".join(f"{share:.0%} {name}" for name, share in purchase.verdicts.items())
    return [
        str(purchase.budget),
        f"{purchase.trials:.0f}",
        f"{purchase.trial_steps:,.0f}",
        f"{purchase.rounds:.0f}",
        _say(purchase.band_decades, ".3f"),
        _say(purchase.error_decades, ".3f"),
        _say(purchase.coverage, ".0%"),
        verdicts,
    ]


def _say(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)


def _require_boundary(study: Study) -> None:
    if study.question is not Question.BOUNDARY or study.lr_axis is None:
        raise SimulationError(
            f"study {study.name} maps no boundary, so there is nothing to simulate: expected "
            "question: boundary and lr: {low, high, log: true}; 'rankfall plan' says what other "
            "studies take"
        )
