"""The question of a study with ``align`` and its answer in two sentences."""

from collections.abc import Sequence

from orchestrator.audit.number import Family, identify
from orchestrator.collapse_map import CollapseMap
from orchestrator.report.alignment import Alignment, summarise_alignment
from orchestrator.report.wording import format_number
from search_spaces.study import Study

MAIN, CONTROL, WEIGHTS = "cka_features", "cka_features_unshared", "weight_gap"


def ask_for_alignment(study: Study) -> str:
    """Return the question: who stays close to the reference?"""
    assert study.align is not None
    others = [kind for kind in study.kinds if kind != study.align.reference]
    verb = "does" if len(others) == 1 else "do"
    return (
        f"How close to {study.align.reference} {verb} {_join(others)} stay, trained from the same "
        "weights on the same batches?"
    )


def answer_alignment(collapse_map: CollapseMap) -> tuple[str, ...]:
    """Return how alike features ended; then the control, or else how far weights ended apart."""
    study = collapse_map.study
    assert study.align is not None
    found = summarise_alignment(collapse_map)
    main = [each for each in found if each.measure == MAIN]
    if not main:
        return ("No trial that finished was compared with its reference.",)
    said = _say_each(study, main)
    sentences = [f"At the end the features' CKA with {study.align.reference} is {said}."]
    control = [each for each in found if each.measure == CONTROL]
    weights = [each for each in found if each.measure == WEIGHTS]
    if control:
        said = _say_each(study, control)
        sentences.append(
            f"With a {study.align.reference} from other weights and batches it is {said}."
        )
    elif weights:
        said = _say_each(study, weights)
        sentences.append(f"Weights ended apart, relative to their length, by {said}.")
    return tuple(sentences)


def cite_alignment(collapse_map: CollapseMap) -> tuple[str, ...]:
    """Return the ids of the numbers that the answer says."""
    found = summarise_alignment(collapse_map)
    measures = {each.measure for each in found}
    second = CONTROL if CONTROL in measures else WEIGHTS
    return tuple(
        identify(collapse_map.study, Family.ALIGNMENT, each.point.key, measure)
        for measure in (MAIN, second)
        for each in found
        if each.measure == measure
    )


def _say_each(study: Study, found: Sequence[Alignment]) -> str:
    """Return a clause for each objective: its mean with the seeds' range, over settings if many."""
    clauses = []
    for kind in study.kinds:
        own = [each for each in found if each.kind == kind]
        if own:
            clauses.append(f"{_say_level(own)} for {kind}")
    return _join(clauses)


def _say_level(found: Sequence[Alignment]) -> str:
    means = sorted(each.mean for each in found)
    if len(means) > 1:
        return f"{format_number(means[0], 3)} to {format_number(means[-1], 3)}"
    low, high = (format_number(end, 3) for end in (found[0].low, found[0].high))
    mean = format_number(means[0], 3)
    return f"{mean} [{low}, {high}]" if len(found[0].trials) > 1 else mean


def _join(parts: Sequence[str]) -> str:
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)
