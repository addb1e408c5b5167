"""``--set path=value``: changes to a study from the command line, before it is validated."""

from collections.abc import Sequence

from search_spaces.complaints import Complaints
from search_spaces.errors import StudySyntaxError
from search_spaces.located import Located, LocatedMapping, LocatedScalar, describe, strip_origins
from search_spaces.origin import Origin
from search_spaces.yaml_source import YamlSource


def apply_overrides(
    root: LocatedMapping, overrides: Sequence[str], complaints: Complaints
) -> LocatedMapping:
    """Return the content with every override applied, in order; a bad one is complained of.

    Args:
        root: The study file's content.
        overrides: ``path=value`` each; the value is YAML, the path dotted. A value replaces
            all of what stood at its path; parts above it are made where they are missing.
        complaints: Takes what is wrong with an override.
    """
    for text in overrides:
        origin = origin_of(text)
        path, equals, value = text.partition("=")
        names = path.strip().split(".")
        if not equals or not all(names):
            message = f"expected path=value, got {text!r}; for example --set lr=0.1"
            complaints.add(Origin("--set"), "", message)
            continue
        node = _parse_value(value, origin, ".".join(names), complaints)
        if node is not None:
            root = _put(root, names, node, (), complaints)
    return root


def origin_of(override: str) -> Origin:
    """Return the origin that messages about an override name."""
    return Origin(f"--set {' '.join(override.split())}")


def _parse_value(value: str, origin: Origin, path: str, complaints: Complaints) -> Located | None:
    source = YamlSource(value, origin.source, has_lines=False, path=path)
    try:
        node = source.compose()
    except StudySyntaxError as error:
        complaints.problems.extend(error.problems)
        return None
    complaints.problems.extend(source.problems)
    return LocatedScalar(None, origin) if node is None else node


def _put(
    parent: LocatedMapping,
    names: Sequence[str],
    node: Located,
    above: tuple[str, ...],
    complaints: Complaints,
) -> LocatedMapping:
    """Return ``parent`` with ``node`` at the path ``names`` below it."""
    name, *rest = names
    if rest:
        child = parent.entries.get(name) or LocatedMapping({}, {}, node.origin)
        if not isinstance(child, LocatedMapping):
            whole = ".".join([*above, name])
            message = (
                f"cannot set a part of {whole}, which is {describe(strip_origins(child))}; "
                f"set all of it: {whole}=..."
            )
            complaints.add(node.origin, whole, message)
            return parent
        node = _put(child, rest, node, (*above, name), complaints)
        if name in parent.entries:
            return _replace(parent, name, node, parent.key_origins[name])
    return _replace(parent, name, node, node.origin)


def _replace(parent: LocatedMapping, name: str, node: Located, origin: Origin) -> LocatedMapping:
    return LocatedMapping(
        {**parent.entries, name: node}, {**parent.key_origins, name: origin}, parent.origin
    )
