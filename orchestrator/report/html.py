"""``report.html``: one file, no network, readable by anyone who was not there.

The template escapes every value (Jinja's autoescape); chart data goes in as JSON in which ``<``,
``>`` and ``&`` are written as escapes, so no text from a study can end the script element. A
content security policy in the page forbids every request.
"""

import json
from collections.abc import Sequence
from importlib.resources import files
from typing import Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from orchestrator.audit.catalogue import list_numbers
from orchestrator.audit.number import Family
from orchestrator.collapse_map import CollapseMap
from orchestrator.record import Provenance, TrialRecord
from orchestrator.report.alignment import summarise_alignment
from orchestrator.report.answer import Answer, answer_question
from orchestrator.report.arm_charts import chart_arms
from orchestrator.report.best import choose_metric, rank_points
from orchestrator.report.best_charts import chart_best
from orchestrator.report.charts import chart_map, choose_colour
from orchestrator.report.finding_tables import (
    tabulate_alignment,
    tabulate_fits,
    tabulate_importance,
    tabulate_residuals,
)
from orchestrator.report.html_tables import (
    describe_audit,
    list_facts,
    tabulate_best,
    tabulate_levels,
    tabulate_slices,
    tabulate_trial_rows,
)
from orchestrator.report.importance import Importance, rank_axes
from orchestrator.report.importance_charts import chart_contours, chart_importance
from orchestrator.report.layout import Layout, lay_out
from orchestrator.report.palette import MARKS, curve_dash
from orchestrator.report.phase_charts import MOST_ROWS, chart_phases
from orchestrator.report.slice_charts import chart_slices
from orchestrator.report.theory import Fit, compare_with_lines
from orchestrator.report.theory_charts import chart_residuals
from orchestrator.report.wording import describe_point, format_number, name_metric, name_regime
from search_spaces.study import Question

Json = dict[str, Any]

SVG_DASHES = {"solid": "none", "dash": "7 4", "dashdot": "7 3 2 3", "dot": "2 3"}

CURVES_SHOWN = 6
"""Curves drawn at first; more on demand."""

MOST_TRIAL_ROWS = 2000
"""Rows of the table of trials; all are in trials.csv."""


def render_html(
    collapse_map: CollapseMap, records: Sequence[TrialRecord], provenance: Provenance
) -> str:
    """Return the page; ``records`` are those of the map."""
    folder = files("orchestrator.report") / "page"
    layout = lay_out(collapse_map)
    answer = answer_question(collapse_map)
    study = collapse_map.study
    fits, ranked = _find_fits(collapse_map), _find_ranked(collapse_map)
    charts = _collect_charts(collapse_map, layout) | {
        "study": study.name,
        "numbers": _describe_numbers(collapse_map),
        "residuals": chart_residuals(fits),
        "importance": chart_importance(ranked),
        "contours": chart_contours(collapse_map, ranked),
    }
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    template = environment.from_string((folder / "report.html.j2").read_text("utf-8"))
    return template.render(
        study=study,
        prior_kept=collapse_map.is_prior_kept,
        answer=answer,
        level=format_number(collapse_map.study.collapse.below),
        metric=name_metric(collapse_map.study.collapse.metric),
        charts=charts,
        has_outcomes=bool(collapse_map.outcomes),
        legend=_collect_legend(collapse_map, layout),
        map_summary=_summarise_for_readers(answer),
        slice_rows=tabulate_slices(collapse_map),
        level_table=tabulate_levels(collapse_map),
        best=tabulate_best(study, rank_points(collapse_map)),
        metric_best=name_metric(choose_metric(study)[0]),
        phases_omitted=_count_omitted(layout, charts),
        fit_table=tabulate_fits(study, fits),
        residual_table=tabulate_residuals(study, fits),
        lacking=_say_lacking(collapse_map, fits),
        alignment=tabulate_alignment(study, summarise_alignment(collapse_map)),
        importance=tabulate_importance(study, ranked),
        facts=list_facts(collapse_map),
        audit=describe_audit(collapse_map),
        trials=tabulate_trial_rows(collapse_map, records, MOST_TRIAL_ROWS),
        trial_total=len(records),
        curves_shown=CURVES_SHOWN,
        provenance=provenance,
        seeds=sorted({(record.proposal.replicate, record.seed) for record in records}),
        style=Markup((folder / "report.css").read_text("utf-8")),
        script=Markup((folder / "report.js").read_text("utf-8")),
        plotly=Markup(get_plotlyjs()),
        chart_json=Markup(to_script_json(charts)),
    )


def to_script_json(value: object) -> str:
    """Return JSON that is safe inside a script element, whatever strings it holds."""
    text = json.dumps(value, allow_nan=False, separators=(",", ":"))
    escapes = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"}
    return "".join(escapes.get(character, character) for character in text)


def _collect_charts(collapse_map: CollapseMap, layout: Layout) -> Json:
    question = collapse_map.study.question
    shows_map = bool(collapse_map.slices) and question is not Question.OPTIMISE
    slices = chart_slices(collapse_map) if shows_map else []
    return {
        "map": chart_map(collapse_map, layout) if shows_map else None,
        "slices": slices,
        "default_slice": _choose_default(slices, layout) if slices else 0,
        "phases": chart_phases(collapse_map, layout) if shows_map else [],
        "arms": chart_arms(collapse_map),
        "best": []
        if collapse_map.study.question is Question.BOUNDARY
        else chart_best(collapse_map),
    }


def _find_fits(collapse_map: CollapseMap) -> tuple[Fit, ...]:
    is_asked = collapse_map.study.question is not Question.OPTIMISE
    return compare_with_lines(collapse_map) if is_asked else ()


def _find_ranked(collapse_map: CollapseMap) -> tuple[Importance, ...]:
    is_asked = collapse_map.study.question is Question.OPTIMISE
    return rank_axes(collapse_map) if is_asked else ()


def _describe_numbers(collapse_map: CollapseMap) -> dict[str, str]:
    """Return what numbers are, by id; those of single trials the page can say by itself."""
    return {
        number.id: number.what
        for number in list_numbers(collapse_map)
        if not number.id.startswith(f"{Family.TRIAL}-")
    }


def _say_lacking(collapse_map: CollapseMap, fits: tuple[Fit, ...]) -> str:
    lacking = len(collapse_map.slices) - sum(len(fit.residuals) for fit in fits)
    if not lacking:
        return ""
    noun = "slice has" if lacking == 1 else "slices have"
    return f"{lacking} {noun} no single threshold in range, hence no residual."


def _count_omitted(layout: Layout, charts: Json) -> int:
    """Return how many phase diagrams are left out: curves, or rows of the only one."""
    if not charts["phases"]:
        return 0
    shown = len(charts["phases"]) if layout.horizontal is not None else MOST_ROWS
    return max(0, len(layout.curves) - shown)


def _choose_default(slices: Sequence[Json], layout: Layout) -> int:
    """Return the place of the first curve's middle slice, where the answer's sentence looks."""
    members = layout.curves[0].slices
    middle = describe_point(members[len(members) // 2].point)
    labels = [each["label"] for each in slices]
    return labels.index(middle) if middle in labels else 0


def _collect_legend(collapse_map: CollapseMap, layout: Layout) -> Json:
    seen = dict(collapse_map.counts.regimes)
    return {
        "curves": [
            {
                "label": curve.label,
                "colour": choose_colour(layout, index),
                "dash": SVG_DASHES[curve_dash(index)] if layout.horizontal else "none",
            }
            for index, curve in enumerate(layout.curves)
        ],
        "regimes": [
            {
                "value": regime.value,
                "label": name_regime(regime),
                "count": seen[regime.value],
                "colour": mark.colour,
                "symbol": mark.plotly,
            }
            for regime, mark in MARKS.items()
            if regime.value in seen
        ],
    }


def _summarise_for_readers(answer: Answer) -> str:
    return f"Collapse map. {' '.join(answer.sentences)} The table of slices below has every number."
