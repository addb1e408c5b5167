"""Checks the keys of a study against the schema and returns what stands at its leaves."""

from collections.abc import Iterator
from dataclasses import dataclass

from search_spaces.complaints import Complaints
from search_spaces.located import Located, LocatedMapping, describe, strip_origins
from search_spaces.origin import Origin
from search_spaces.schema import Branch, Leaf


@dataclass(frozen=True, slots=True)
class Entry:
    """One setting of the file.

    Attributes:
        leaf: What the schema says of it.
        node: What the file gives.
        origin: Where its key stands.
        kinds: Objective kinds that know it; None if it is not of the objective, or all do.
    """

    path: str
    leaf: Leaf
    node: Located
    origin: Origin
    kinds: frozenset[str] | None = None


def read_leaves(
    node: Located, origin: Origin, branch: Branch, path: str, complaints: Complaints
) -> Iterator[Entry]:
    """Yield the settings below ``path``; complain of unknown keys and of parts not a mapping."""
    if not isinstance(node, LocatedMapping):
        got = describe(strip_origins(node))
        keys = ", ".join(branch.children)
        complaints.add(origin, path, f"expected a mapping with keys of: {keys}; got {got}")
        return
    for key, child in node.entries.items():
        child_path = f"{path}.{key}" if path else key
        child_origin = node.key_origins[key]
        match branch.children.get(key):
            case None:
                complaints.add_unknown_key(child_origin, child_path, branch.children, "")
            case Leaf() as leaf:
                yield Entry(child_path, leaf, child, child_origin)
            case Branch() as part:
                yield from read_leaves(child, child_origin, part, child_path, complaints)
