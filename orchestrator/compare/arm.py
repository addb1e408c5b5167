"""What is compared: a study, or those of its trials that lie at some coordinates.

An arm is written ``STUDY`` or ``STUDY:AXIS=VALUE[,AXIS=VALUE...]``. An axis is named by its path
(``objective.kind``) or by the path's end where only one axis ends so (``kind``). Axes that are
left free are averaged over, seed by seed, as claims do.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import yaml

from orchestrator.errors import CompareError
from orchestrator.record import Provenance, TrialRecord
from orchestrator.report.wording import format_value
from search_spaces.claim_load import same_value
from search_spaces.point import Value
from search_spaces.study import Study


@dataclass(frozen=True, slots=True)
class ArmText:
    """An arm as written: the study's name, and values by axis."""

    study: str
    coordinates: tuple[tuple[str, Value], ...]


@dataclass(frozen=True, slots=True)
class StudyArm:
    """An arm with its trials, finished or not; ``at`` is by axis path."""

    label: str
    study: Study
    provenance: Provenance
    at: Mapping[str, Value]
    records: tuple[TrialRecord, ...]


def parse_arm(text: str, previous: str = "") -> ArmText:
    """Read an arm as written.

    Args:
        text: ``STUDY`` or ``STUDY:AXIS=VALUE,...``; ``:AXIS=VALUE`` means ``previous``.
        previous: The study of the arm before.

    Raises:
        CompareError: If it is not written so.
    """
    study, _, listed = text.partition(":")
    study = study or previous
    pairs = [part.partition("=") for part in listed.split(",")] if listed else []
    if not study or any(not (path.strip() and equals and value) for path, equals, value in pairs):
        raise CompareError(
            f"{text!r}: expected STUDY or STUDY:AXIS=VALUE[,AXIS=VALUE...], such as demo:kind=clop"
        )
    return ArmText(study, tuple((path.strip(), _read_value(value)) for path, _, value in pairs))


def resolve_arm(
    text: ArmText, study: Study, records: Sequence[TrialRecord], provenance: Provenance
) -> StudyArm:
    """Return the arm's trials.

    Raises:
        CompareError: If an axis is not the study's, or no trial lies at the coordinates.
    """
    at = {find_axis(path, study): value for path, value in text.coordinates}
    chosen = tuple(record for record in records if matches(record, at))
    if not chosen:
        raise CompareError(_say_nothing_there(study, at, records))
    return StudyArm(name_arm(text.study, at), study, provenance, at, chosen)


def find_axis(name: str, study: Study) -> str:
    """Return the path of the axis that a name means.

    Raises:
        CompareError: If none or several do.
    """
    paths = [axis.path for axis in study.axes]
    if name in paths:
        return name
    found = [path for path in paths if path.endswith(f".{name}")]
    if len(found) != 1:
        what = "no axis" if not found else "more than one axis"
        raise CompareError(
            f"{name} is {what} of study {study.name}; it varies {', '.join(paths) or 'nothing'}"
        )
    return found[0]


def matches(record: TrialRecord, at: Mapping[str, Value]) -> bool:
    """Return whether a trial lies at coordinates; numbers are equal up to four digits."""
    own = dict(record.proposal.point.coordinates)
    return all(path in own and same_value(own[path], value) for path, value in at.items())


def name_arm(study: str, at: Mapping[str, Value]) -> str:
    """Return an arm's name, as it may be written."""
    listed = ",".join(f"{p.rsplit('.', 1)[-1]}={format_value(v)}" for p, v in at.items())
    return f"{study}:{listed}" if listed else study


def _read_value(text: str) -> Value:
    """Read a value as a study file would; what is no plain value stays text."""
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError:
        return text.strip()
    if isinstance(value, bool | int | float):
        return value
    try:
        return float(text)  # YAML reads 1e-3 as text
    except ValueError:
        return text.strip()


def _say_nothing_there(
    study: Study, at: Mapping[str, Value], records: Sequence[TrialRecord]
) -> str:
    for path, value in at.items():
        if not any(matches(record, {path: value}) for record in records):
            own = (dict(record.proposal.point.coordinates).get(path) for record in records)
            tried = sorted({v for v in own if v is not None}, key=lambda v: (str(type(v)), v))
            listed = ", ".join(map(format_value, tried[:12])) + (", ..." if tried[12:] else "")
            return (
                f"study {study.name} has no trial at {path}={format_value(value)}; tried: "
                f"{listed or 'none'}"
            )
    return f"study {study.name} has no trial at {name_arm(study.name, at).partition(':')[2]}"
