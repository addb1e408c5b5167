"""From a study file to a validated study: the entry to this package."""

from collections.abc import Sequence
from pathlib import Path

from search_spaces.body import Body, read_body
from search_spaces.complaints import Complaints
from search_spaces.errors import StudyContentError
from search_spaces.header import StudyHeader, read_header
from search_spaces.located import Located, LocatedMapping, describe, strip_origins
from search_spaces.origin import Origin, Problem
from search_spaces.overrides import apply_overrides
from search_spaces.rules import check_rules, choose_planner
from search_spaces.schema import read_model, section_schema
from search_spaces.study import Study
from search_spaces.study_text import read_study_text
from search_spaces.yaml_source import YamlSource


def load_study(path: Path, overrides: Sequence[str] = ()) -> Study:
    """Read and validate a study file.

    Args:
        path: The YAML file.
        overrides: ``path=value`` each, as given with ``--set``; applied in order before
            anything is validated.

    Raises:
        StudyFileError: If it cannot be read or is not a valid study. Its text has one line
            for each problem, with file, line and field.
    """
    return parse_study(read_study_text(path), str(path), overrides)


def parse_study(
    text: str, source: str, overrides: Sequence[str] = (), *, is_recorded: bool = False
) -> Study:
    """Validate the text of a study file.

    Args:
        text: The YAML.
        source: The name that messages give it.
        overrides: See :func:`load_study`.
        is_recorded: The text comes from a ledger. It can be read wherever the ledger is, also
            where its data or weights are not.

    Raises:
        StudyFileError: As :func:`load_study`.
    """
    document = YamlSource(text, source)
    content = document.compose()
    complaints = Complaints(document.problems)
    if not isinstance(content, LocatedMapping):
        raise StudyContentError([_refuse_content(content, source)])
    root = apply_overrides(content, overrides, complaints)
    _check_top_level(root, complaints)
    header = read_header(root, complaints)
    optimise = None if header is None else header.optimise
    metric = None if optimise is None else optimise.metric
    body = read_body(root, complaints, is_recorded=is_recorded, metric=metric)
    if header is not None:
        check_rules(header, body.settings, root, complaints)
    if header is None or complaints.problems:
        raise StudyContentError(complaints.problems)
    return _assemble(header, body, text, tuple(overrides))


def _refuse_content(content: Located | None, source: str) -> Problem:
    if content is None:
        message = "the file is empty; a study starts with the line 'study: its-name'"
        return Problem(Origin(source, 1), "", message)
    got = describe(strip_origins(content))
    message = f"expected a mapping (lines such as 'study: its-name'), got {got}"
    return Problem(content.origin, "", message)


def _check_top_level(root: LocatedMapping, complaints: Complaints) -> None:
    known = [*read_model(StudyHeader).children, *section_schema().children, "objective"]
    for key in root.entries:
        if key not in known:
            complaints.add_unknown_key(root.key_origins[key], key, known, "")


def _assemble(header: StudyHeader, body: Body, text: str, overrides: tuple[str, ...]) -> Study:
    return Study(
        name=header.study,
        question=header.question,
        planner=choose_planner(header),
        axes=body.axes(),
        fixed=body.fixed(),
        replicates=header.seeds,
        seed=header.seed,
        budget=header.budget,
        collapse=header.collapse,
        evaluate=header.evaluate,
        optimise=header.optimise,
        source_text=text,
        overrides=overrides,
        align=header.align,
        prior=header.prior,
        pruner=header.pruner,
        seeds_from=header.seeds_from,
    )
