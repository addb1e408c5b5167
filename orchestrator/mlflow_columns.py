"""Tables of MLflow's page with the columns that matter first, and links to them.

MLflow shows runs by default with who, when and from where, and hides every measure. A table
that somebody arranged and shared is kept in a tag of the experiment, under the name in its
link; such a tag is written here for each study: its trials, regime and axes before measures. The
format is that of MLflow 3.17's own "Share" button, uncompressed.
"""

import json
from collections.abc import Iterator

from orchestrator.mlflow_view import name_measure
from search_spaces.axis import RangeAxis
from search_spaces.study import KIND, LR, Study

_VIEW = "mlflow.sharedViewState."


def tag_experiment(study: Study, experiment_id: str) -> dict[str, str]:
    """Return the tags of a study's experiment: the table of its trials, and a note on top."""
    note = (
        f"Studies called `{study.name}`: a parent run each, with note, report and counts; a "
        f"child run a trial.\n\n{link_trials(study, experiment_id)}\n\nFilters: "
        "`tags.regime = 'complete'`, `tags.objective = 'clop'`, `tags.replicate = '0'`, "
        "`metrics.lr < 1`, `metrics.score < 2`."
    )
    return {_VIEW + study.digest: json.dumps(_arrange(study)), "mlflow.note.content": note}


def link_trials(study: Study, experiment_id: str) -> str:
    """Return a Markdown link to the table of a study's trials."""
    address = f"#/experiments/{experiment_id}/runs?viewStateShareKey={study.digest}"
    return f"[All trials of {study.digest}, regime first]({address})"


def _arrange(study: Study) -> dict[str, object]:
    columns = list(dict.fromkeys(_choose_columns(study)))
    role = "tags.`rankfall.role` = 'trial'"
    return {
        "searchFilter": f"{role} and tags.`rankfall.study_digest` = '{study.digest}'",
        "orderByKey": "metrics.`lr`",
        "orderByAsc": True,
        "selectedColumns": columns,
        "columnOrder": columns,
        "runsHiddenMode": "FIRST_20_RUNS",
    }


def _choose_columns(study: Study) -> Iterator[str]:
    """Yield the regime, what is varied, what was measured; numbers are metrics, to sort by."""
    yield "tags.`regime`"
    yield "tags.`objective`"
    yield "metrics.`lr`"
    for axis in study.axes:
        is_number = isinstance(axis, RangeAxis)
        if is_number and axis.path.startswith("objective."):
            yield f"metrics.`{axis.path.removeprefix('objective.')}`"
        elif axis.path not in (LR, KIND):
            yield f"params.`{axis.path}`"
    yield "metrics.`score`"
    metric = study.collapse.metric if study.optimise is None else study.optimise.metric
    yield f"metrics.`{name_measure(metric)}`"
    yield "metrics.`train/loss`"
    yield "metrics.`steps_done`"
    yield "metrics.`seconds`"
    yield "tags.`replicate`"
