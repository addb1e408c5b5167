"""Writes a study's whole report: the map file, tables, figures, the page.

Everything is made before anything is written, and every file appears under its name only when it
is complete, so a reader never meets half a report file.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from orchestrator.collapse_map import CollapseMap, build_map
from orchestrator.errors import ReportError
from orchestrator.map_file import to_json
from orchestrator.record import Provenance, TrialRecord
from orchestrator.report.html import render_html
from orchestrator.report.map_figure import draw_map
from orchestrator.report.measure_figures import draw_scores, draw_spectra
from orchestrator.report.tables import tabulate_trials, to_csv, to_parquet
from search_spaces.study import Question, Study
from trainer.durable import write_durably


def write_report(
    study: Study, records: Sequence[TrialRecord], provenance: Provenance, folder: Path
) -> list[Path]:
    """Write the report into ``folder`` (made if missing) and return the files, sorted by name.

    Figures of the boundary are left out where the question has none: ``optimise``, and studies
    that do not vary the learning rate. Importing this module loads pandas, matplotlib and plotly
    (about 2 s): a command line imports it when it writes.

    Raises:
        ReportError: If the folder cannot be made or written to.
    """
    collapse_map = build_map(study, records)
    contents = render_files(collapse_map, records, provenance)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return [_put(folder / name, contents[name]) for name in sorted(contents)]
    except OSError as error:
        reason = error.strerror or str(error)
        raise ReportError(
            f"cannot write the report of study {study.name} to {folder}: {reason}; choose a "
            "folder that can be written to"
        ) from error


def render_files(
    collapse_map: CollapseMap, records: Sequence[TrialRecord], provenance: Provenance
) -> Mapping[str, bytes]:
    """Return the content of every file by its name."""
    table = tabulate_trials(collapse_map.study, records)
    contents = {
        "collapse_map.json": to_json(collapse_map).encode(),
        "report.html": render_html(collapse_map, records, provenance).encode(),
        "trials.csv": to_csv(table),
        "trials.parquet": to_parquet(table),
    }
    if collapse_map.slices and collapse_map.study.question is not Question.OPTIMISE:
        contents["collapse_map.png"] = draw_map(collapse_map)
        contents["spectra.png"] = draw_spectra(collapse_map)
        contents["effective_rank.png"] = draw_scores(collapse_map)
    return contents


def _put(path: Path, content: bytes) -> Path:
    write_durably(path, content)
    return path
