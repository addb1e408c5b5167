"""``rankfall rerun`` and ``embed``: one trial of a ledger trained again, compared, drawn."""

from pathlib import Path

import numpy as np
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from orchestrator.command_results import open_ledger
from orchestrator.embedding_method import Method
from orchestrator.errors import ReportError, RerunError
from orchestrator.report.embedding_figure import draw_embeddings
from orchestrator.report.wording import describe_point, name_regime
from orchestrator.rerun import Embedded, Rerun, rerun_trial
from trainer.data.class_labels import load_test_labels
from trainer.durable import write_durably

_SHOWN = 20


def train_again(name: str, results: Path, trial: str) -> Rerun:
    """Train a trial again.

    Raises:
        LedgerError: If there is no such study below ``results``.
        RerunError: If it has no such finished trial.
        TrainerError: If it cannot be trained here.
    """
    return rerun_trial(open_ledger(name, results), trial)


def describe_rerun(again: Rerun) -> RenderableType:
    """Return whether the trial came out as the ledger has it, and what differs."""
    label = describe_point(again.record.proposal.point)
    regime = name_regime(again.outcome.regime)
    head = f"trial {again.record.number} ({label}, replicate {again.record.proposal.replicate})"
    differences = again.differences
    if not differences:
        return Text(f"{head}: equal to the ledger in every bit ({regime})")
    table = Table("", "ledger", "now", box=None)
    for difference in differences[:_SHOWN]:
        table.add_row(difference.name, _cut(difference.kept), _cut(difference.again))
    left = len(differences) - _SHOWN
    rest = [Text(f"and {left} more")] if left > 0 else []
    return Group(Text(f"{head}: {len(differences)} fields differ from the ledger"), table, *rest)


def draw_rerun(again: Rerun, method: Method, study: str, file: Path) -> None:
    """Write the picture of a trial's embeddings.

    Raises:
        RerunError: If the trial diverged and has none.
        ReportError: If the file cannot be written.
    """
    if again.embedded is None:
        step = again.outcome.diverged_at_step
        raise RerunError(
            f"trial {again.record.number} diverged at step {step}: it has no embeddings to draw; "
            "choose another trial"
        )
    content = _draw(again, again.embedded, method, study)
    try:
        write_durably(file, content)
    except OSError as error:
        raise ReportError(f"{file}: cannot be written ({error.strerror})") from error


def _draw(again: Rerun, embedded: Embedded, method: Method, study: str) -> bytes:
    number, point = again.record.number, again.record.proposal.point
    title = f"{study}, trial {number}: {describe_point(point)}; {name_regime(again.outcome.regime)}"
    features, projections = (
        stack.detach().cpu().numpy().astype(np.float64)
        for stack in (embedded.features_PF, embedded.projections_PD)
    )
    labels = load_test_labels(again.record.settings.data).numpy()
    return draw_embeddings(features, projections, labels, method, title)


def _cut(value: object) -> str:
    text = str(value)
    return text if len(text) <= 60 else text[:57] + "..."
