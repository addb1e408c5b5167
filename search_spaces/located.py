"""Plain YAML content in which every part knows where it was written."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from search_spaces.origin import Origin

ScalarValue = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class LocatedScalar:
    """Text, a number, true/false or nothing."""

    value: ScalarValue
    origin: Origin


@dataclass(frozen=True, slots=True)
class LocatedList:
    """A list."""

    items: tuple["Located", ...]
    origin: Origin


@dataclass(frozen=True, slots=True)
class LocatedMapping:
    """A mapping with text keys; ``key_origins`` says where each key stands."""

    entries: Mapping[str, "Located"]
    key_origins: Mapping[str, Origin]
    origin: Origin


Located = LocatedScalar | LocatedList | LocatedMapping


def strip_origins(node: Located) -> object:
    """Return the content alone: dicts, lists, scalars."""
    match node:
        case LocatedScalar(value=value):
            return value
        case LocatedList(items=items):
            return [strip_origins(item) for item in items]
        case LocatedMapping(entries=entries):
            return {key: strip_origins(child) for key, child in entries.items()}


def describe(value: object) -> str:
    """Return a value as an error message shows it: ``'abc'``, ``0.1``, ``true``, ``a list``."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, list | tuple):
        return "a list" if value else "an empty list"
    # repr, so that a value with a line break in it stays on one line
    return repr(value)


def find_origin(root: LocatedMapping, path: tuple[str | int, ...]) -> Origin:
    """Return where a path was written: its key, or the nearest part of it that exists."""
    origin = root.origin
    for found in _walk(root, path):
        origin = found
    return origin


def _walk(node: Located, path: tuple[str | int, ...]) -> Iterator[Origin]:
    for step in path:
        match node:
            case LocatedMapping(entries=entries) if isinstance(step, str) and step in entries:
                yield node.key_origins[step]
                node = entries[step]
            case LocatedList(items=items) if isinstance(step, int) and step < len(items):
                node = items[step]
                yield node.origin
            case _:
                return
