"""drift, radius, alignment and retrieval: measures by arm, over steps or at the end.

An arm is a setting; a line is the mean over seeds whose measure exists at that step, its band
the lowest and highest seed.
"""

from collections.abc import Iterator, Sequence
from functools import partial

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from orchestrator.errors import FigureError
from orchestrator.figures.kind import FigureKind
from orchestrator.figures.paper import PaperFigure
from orchestrator.record import TrialRecord
from orchestrator.report.palette import MATPLOTLIB_DASHES, curve_colour
from orchestrator.report.wording import describe_point, name_metric
from search_spaces.study import Study
from trainer.cohort import Outcome

MOST_ARMS = 6

HISTORIES: dict[FigureKind, tuple[str, ...]] = {
    FigureKind.DRIFT: (
        "drift_grad_text",
        "drift_grad_audio",
        "drift_step_text",
        "drift_step_audio",
    ),
    FigureKind.RADIUS: ("radius", "radius_over_distance"),
    FigureKind.ALIGNMENT: ("cka_features", "cka_projections", "weight_gap"),
}
"""Which measures a figure shows over steps; those of alignment are against the reference."""

RECALLS = tuple(
    f"{direction}_recall_at_{k}"
    for direction in ("text_to_audio", "audio_to_text")
    for k in (1, 5, 10)
)


def make_history(kind: FigureKind, study: Study, records: Sequence[TrialRecord]) -> PaperFigure:
    """Return measures over steps, a panel a measure.

    Raises:
        FigureError: If no trial has such a measure, or there are more arms than colours.
    """
    rows = [
        {"measure": name, "arm": arm, "seed": seed, "step": step, "value": value}
        for arm, seed, outcome in _arms(records)
        for name in HISTORIES[kind]
        for step, value in _history(name, outcome)
    ]
    data = _tabulate(rows, f"study {study.name} has no {kind} over steps", HISTORIES[kind])
    panels = data["measure"].nunique()
    return PaperFigure(data, 0.2 + 0.5 * panels, _draw_histories)


def make_retrieval(study: Study, records: Sequence[TrialRecord]) -> PaperFigure:
    """Return recall at 1, 5 and 10 of both directions at the end, a panel a direction.

    Raises:
        FigureError: If no trial has one, or there are more arms than colours.
    """
    rows = [
        {"measure": name, "arm": arm, "seed": seed, "value": outcome.measures[name]}
        for arm, seed, outcome in _arms(records)
        for name in RECALLS
        if name in outcome.measures
    ]
    data = _tabulate(rows, f"study {study.name} has no retrieval", RECALLS)
    return PaperFigure(data, 0.75, partial(_draw_recalls))


def _arms(records: Sequence[TrialRecord]) -> Iterator[tuple[str, int, Outcome]]:
    ordered = sorted(records, key=lambda r: (r.proposal.point.key, r.proposal.replicate))
    constant = _constant_paths(ordered)
    for record in ordered:
        if record.outcome is not None:
            label = describe_point(record.proposal.point.without(*constant))
            yield label, record.proposal.replicate, record.outcome


def _constant_paths(records: Sequence[TrialRecord]) -> tuple[str, ...]:
    """Return the axes on which all trials are equal: they tell no arm from another."""
    values: dict[str, set[object]] = {}
    for record in records:
        for path, value in record.proposal.point.coordinates:
            values.setdefault(path, set()).add(value)
    return tuple(path for path, found in values.items() if len(found) == 1)


def _history(name: str, outcome: Outcome) -> Iterator[tuple[int, float]]:
    for history in (outcome.coupling, outcome.history):
        if history is not None and history.values.get(name):
            # A history without a step for each value has them from its later checks.
            values = history.values[name]
            yield from zip(history.steps[-len(values) :], values, strict=True)
            return


def _tabulate(
    rows: Sequence[dict[str, object]], lacking: str, order: Sequence[str]
) -> pd.DataFrame:
    if not rows:
        raise FigureError(lacking)
    data = pd.DataFrame(rows)
    arms = data["arm"].nunique()
    if arms > MOST_ARMS:
        raise FigureError(
            f"{arms} arms do not fit a column (at most {MOST_ARMS}); choose with --at AXIS=VALUE"
        )
    places = data["measure"].map({name: place for place, name in enumerate(order)})
    return data.assign(_place=places).sort_values("_place", kind="stable").drop(columns="_place")


def _draw_histories(figure: Figure, data: pd.DataFrame) -> None:
    measures, arms = (list(dict.fromkeys(data[name])) for name in ("measure", "arm"))
    arms.sort()
    grid = figure.subplots(len(measures), 1, squeeze=False, sharex=True)[:, 0]
    for axes, measure in zip(grid, measures, strict=True):
        own = data[data["measure"] == measure]
        for index, arm in enumerate(arms):
            _draw_line(axes, own[own["arm"] == arm], index)
        axes.set_title(name_metric(measure))
    grid[-1].set_xlabel("step")
    _add_legend(figure, arms)


def _draw_line(axes: Axes, own: pd.DataFrame, index: int) -> None:
    seeds = own.groupby("step")["value"].agg(["mean", "min", "max"])
    colour, dash = curve_colour(index), MATPLOTLIB_DASHES[index % 4]
    steps = seeds.index.to_numpy()
    axes.fill_between(steps, seeds["min"], seeds["max"], color=colour, alpha=0.15, lw=0)
    axes.plot(steps, seeds["mean"], color=colour, ls=dash)


def _draw_recalls(figure: Figure, data: pd.DataFrame) -> None:
    arms = sorted(set(data["arm"]))
    panels = figure.subplots(1, 2, sharey=True)
    for axes, direction in zip(panels, ("text_to_audio", "audio_to_text"), strict=True):
        for place, k in enumerate((1, 5, 10)):
            own = data[data["measure"] == f"{direction}_recall_at_{k}"]
            for index, arm in enumerate(arms):
                values = own[own["arm"] == arm]["value"]
                x = place + 0.7 * ((index + 0.5) / len(arms) - 0.5)
                colour = curve_colour(index)
                axes.plot([x] * len(values), values, ".", color=colour, ms=2, alpha=0.6)
                axes.plot([x], [values.mean()], "D", color=colour, ms=3.5)
        axes.set_xticks(range(3), ["R@1", "R@5", "R@10"])
        axes.set_title(name_metric(direction))
        axes.set_ylim(0, 1)
    panels[0].set_ylabel("recall")
    _add_legend(figure, arms, marker="D")


def _add_legend(figure: Figure, arms: Sequence[str], marker: str | None = None) -> None:
    handles = [
        Line2D(
            [],
            [],
            color=curve_colour(i),
            ls="" if marker else MATPLOTLIB_DASHES[i % 4],
            marker=marker or "",
            label=arm,
        )
        for i, arm in enumerate(arms)
    ]
    columns = max(1, min(3, 62 // (max(map(len, arms)) + 6)))
    figure.legend(handles=handles, loc="outside lower center", ncols=columns)
