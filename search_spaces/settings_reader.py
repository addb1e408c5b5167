"""Turns what stands at one leaf into a plain value or an axis, with the values to try."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field, ValidationError

from search_spaces.axis import DEFAULT_POINTS, Axis, ChoiceAxis, RangeAxis
from search_spaces.complaints import Complaints
from search_spaces.explain import explain
from search_spaces.leaves import Entry, read_leaves
from search_spaces.located import (
    LocatedList,
    LocatedMapping,
    LocatedScalar,
    ScalarValue,
    describe,
    find_origin,
    strip_origins,
)
from search_spaces.origin import Origin
from search_spaces.schema import read_model
from trainer.settings import Frozen

MAX_POINTS = 1000


class RangeSettings(Frozen):
    """A continuous axis as a file gives it."""

    low: float
    high: float
    log: bool = False
    points: Annotated[int, Field(ge=2, le=MAX_POINTS)] = DEFAULT_POINTS


@dataclass(frozen=True, slots=True)
class Probe:
    """A value that the trainer must accept, and how a message names its place."""

    value: ScalarValue | tuple[ScalarValue, ...]
    path: str
    origin: Origin


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting of the study.

    Attributes:
        axis: Set if the file varies it.
        probes: Values to validate: the plain value, every choice, or both ends of a range.
        kinds: Objective kinds that know it; None means all.
    """

    path: str
    axis: Axis | None
    probes: tuple[Probe, ...]
    kinds: frozenset[str] | None


def read_setting(entry: Entry, complaints: Complaints) -> Setting | None:
    """Return the setting at a leaf; None after a complaint."""
    match entry.node:
        case LocatedScalar(value=value):
            return _plain(entry, value)
        case LocatedList() as node if entry.leaf.is_sequence:
            return _read_plain_list(entry, node, complaints)
        case LocatedList() as node:
            return _read_choices(entry, node, complaints)
        case LocatedMapping() as node:
            return _read_range(entry, node, complaints)


def _plain(entry: Entry, value: ScalarValue | tuple[ScalarValue, ...]) -> Setting:
    return Setting(entry.path, None, (Probe(value, entry.path, entry.origin),), entry.kinds)


def _read_plain_list(entry: Entry, node: LocatedList, complaints: Complaints) -> Setting | None:
    values = tuple(item.value for item in node.items if isinstance(item, LocatedScalar))
    if len(values) == len(node.items):
        return _plain(entry, values)
    message = "an axis over lists is not supported yet; give one list of whole numbers"
    complaints.add(entry.origin, entry.path, message)
    return None


def _read_choices(entry: Entry, node: LocatedList, complaints: Complaints) -> Setting | None:
    if not node.items:
        message = "the list is empty; give at least one value, or leave the key out"
        complaints.add(entry.origin, entry.path, message)
        return None
    probes = tuple(_read_items(entry, node, complaints))
    if len(probes) < len(node.items):
        return None
    values = tuple(p.value for p in probes if isinstance(p.value, float | int | str))
    return Setting(entry.path, ChoiceAxis(entry.path, values, entry.kinds), probes, entry.kinds)


def _read_items(entry: Entry, node: LocatedList, complaints: Complaints) -> Iterator[Probe]:
    seen: set[tuple[bool, ScalarValue]] = set()
    for item in node.items:
        value = item.value if isinstance(item, LocatedScalar) else None
        identity = (isinstance(value, bool), value)  # 1 == True in Python, not in a study
        if value is None:
            got = describe(strip_origins(item))
            complaints.add(item.origin, entry.path, f"expected plain values in the list, got {got}")
        elif identity in seen:
            message = f"duplicate value {describe(value)} in the list; give it once"
            complaints.add(item.origin, entry.path, message)
        else:
            seen.add(identity)
            yield Probe(value, entry.path, item.origin)


def _read_range(entry: Entry, node: LocatedMapping, complaints: Complaints) -> Setting | None:
    refusal = _refuse_range(entry)
    if refusal is not None:
        complaints.add(entry.origin, entry.path, refusal)
        return None
    known = read_model(RangeSettings)
    entries = read_leaves(node, entry.origin, known, entry.path, complaints)
    given = {e.path.rpartition(".")[2]: strip_origins(e.node) for e in entries}
    try:
        limits = RangeSettings.model_validate_json(json.dumps(given), strict=True)
    except ValidationError as error:
        for details in error.errors():
            path = ".".join([entry.path, *map(str, details["loc"])])
            if not complaints.is_settled(path):
                origin = find_origin(node, details["loc"]) if details["loc"][0] in given else None
                complaints.add(origin or entry.origin, path, explain(details))
        return None
    return _check_range(entry, node, limits, complaints)


def _refuse_range(entry: Entry) -> str | None:
    if entry.leaf.is_sequence:
        return "expected a list, got a mapping"
    if not entry.leaf.is_number:
        names = ", ".join(entry.leaf.choices)
        one = f"one of {names}" if names else "one plain value"
        return f"expected {one}, or a list of them; got a mapping"
    if entry.leaf.is_whole:
        return "takes whole numbers, which cannot be a range; list them, e.g. [64, 128, 256]"
    return None


def _check_range(
    entry: Entry, node: LocatedMapping, limits: RangeSettings, complaints: Complaints
) -> Setting | None:
    low_path, high_path = f"{entry.path}.low", f"{entry.path}.high"
    low_origin, high_origin = node.key_origins["low"], node.key_origins["high"]
    if not limits.low < limits.high:
        message = f"expected low below high, got low {limits.low!r} and high {limits.high!r}"
        complaints.add(low_origin, low_path, message)
        return None
    if limits.log and limits.low <= 0:
        message = f"expected a value above 0 because of log: true, got {limits.low!r}"
        complaints.add(low_origin, low_path, message)
        return None
    axis = RangeAxis(entry.path, limits.low, limits.high, limits.log, limits.points, entry.kinds)
    ends = (Probe(limits.low, low_path, low_origin), Probe(limits.high, high_path, high_origin))
    return Setting(entry.path, axis, ends, entry.kinds)
