"""Reads the ``objective`` of a study, whose keys depend on its kinds."""

import dataclasses
from collections.abc import Iterable, Iterator

from search_spaces.complaints import Complaints, listing, nearest_of
from search_spaces.leaves import Entry, read_leaves
from search_spaces.located import (
    Located,
    LocatedList,
    LocatedMapping,
    LocatedScalar,
    describe,
    strip_origins,
)
from search_spaces.origin import Origin
from search_spaces.schema import Branch, Leaf, objective_paths, objective_schemas


def read_kinds(node: Located | None, origin: Origin, complaints: Complaints) -> tuple[str, ...]:
    """Return the known kinds that ``objective.kind`` names, in file order; complain of others.

    Args:
        node: What stands there; None if nothing does.
        origin: Where it stands, or the objective if it is missing.
        complaints: Takes what is wrong.
    """
    known = objective_schemas()
    match node:
        case None:
            message = f"missing; give one kind or a list; {listing('known kinds', known, None)}"
            complaints.add(origin, "objective.kind", message)
            return ()
        case LocatedMapping():
            return ()  # complained of where every mapping that should be a value is
        case LocatedList(items=items):
            return tuple(k for item in items for k in _known_kind(item, item.origin, complaints))
        case LocatedScalar():
            return tuple(_known_kind(node, origin, complaints))


def _known_kind(node: Located, origin: Origin, complaints: Complaints) -> Iterator[str]:
    value = strip_origins(node)
    known = objective_schemas()
    if isinstance(value, str) and value in known:
        yield value
        return
    names = listing("known kinds", known, nearest_of(value, known))
    complaints.add(origin, "objective.kind", f"unknown kind {describe(value)}; {names}")


def read_objective(
    node: LocatedMapping, origin: Origin, kinds: Iterable[str], complaints: Complaints
) -> Iterator[Entry]:
    """Yield the settings of the objective, each with the kinds that know it.

    A key that none of ``kinds`` knows is complained of; if another kind does, it says so.
    """
    chosen = tuple(dict.fromkeys(kinds))
    own = _merge(objective_schemas()[kind] for kind in chosen)
    foreign = {key: node.key_origins[key] for key in node.entries if key not in own.children}
    for key, key_origin in foreign.items():
        owners = [k for k, schema in objective_schemas().items() if key in schema.children]
        note = f" for {', '.join(chosen)} ({', '.join(owners)} has it)" if owners else ""
        complaints.add_unknown_key(key_origin, f"objective.{key}", own.children, note)
    rest = {key: child for key, child in node.entries.items() if key not in foreign}
    kept = LocatedMapping(rest, node.key_origins, node.origin)
    for entry in read_leaves(kept, origin, own, "objective", complaints):
        knowing = frozenset(kind for kind in chosen if entry.path in objective_paths(kind))
        yield dataclasses.replace(entry, kinds=None if len(knowing) == len(chosen) else knowing)


def _merge(branches: Iterable[Branch]) -> Branch:
    """Return the keys of all branches together; of equal keys, parts are merged in turn."""
    merged: dict[str, Leaf | Branch] = {}
    for branch in branches:
        for key, child in branch.children.items():
            merged[key] = _merge_child(merged.get(key), child)
    return Branch(merged)


def _merge_child(first: Leaf | Branch | None, second: Leaf | Branch) -> Leaf | Branch:
    match first, second:
        case Branch(), Branch():
            return _merge([first, second])
        case Leaf(), Leaf():
            # Either kind may be the pickier one; pydantic checks each kind's values on its own.
            return Leaf(
                is_sequence=first.is_sequence or second.is_sequence,
                is_whole=first.is_whole and second.is_whole,
                is_number=first.is_number or second.is_number,
                choices=tuple(dict.fromkeys(first.choices + second.choices)),
                is_required=first.is_required and second.is_required,
            )
        case None, _:
            return second
        case _:
            raise AssertionError("a key is a part of one objective and a value of another")
