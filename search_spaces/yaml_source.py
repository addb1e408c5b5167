"""YAML text to located content: safe, with line numbers, duplicate keys found.

Scalars follow the YAML 1.2 core schema, not PyYAML's 1.1: ``1e-3`` is a number, ``no`` and
``off`` are text, ``1:30`` is not ninety. Aliases and tags are refused and ``<<`` is a key like
any other: a study is short, and what is written out cannot surprise.
"""

import re
from dataclasses import dataclass, field
from typing import Protocol

import yaml

from search_spaces.errors import StudySyntaxError
from search_spaces.located import Located, LocatedList, LocatedMapping, LocatedScalar, ScalarValue
from search_spaces.origin import Origin, Problem

MAX_DEPTH = 20
"""A study nests four deep; deeper than this is a mistake, or an attack on the stack."""

MAX_WHOLE_DIGITS = 18
"""Longer whole numbers are read as floats: no setting is that large, and ``int`` may refuse."""

_SURROGATE = re.compile("[\ud800-\udfff]")
_TAG = "tag:yaml.org,2002:"
_RESOLVERS = {
    "null": (r"^(?:~|null|Null|NULL|)$", ["~", "n", "N", ""]),
    "bool": (r"^(?:true|True|TRUE|false|False|FALSE)$", list("tTfF")),
    "int": (r"^[-+]?[0-9]+$", list("-+0123456789")),
    "float": (
        r"^(?:[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?"
        r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$",
        list("-+.0123456789"),
    ),
}


class _Mark(Protocol):
    """A place in the text, counted from 0 (PyYAML has two classes for it)."""

    line: int
    column: int


class _StudyLoader(yaml.SafeLoader):
    """Only composes; resolves scalars by the YAML 1.2 core schema."""

    yaml_implicit_resolvers = {}  # noqa: RUF012  (PyYAML's own class attribute)


for _name, (_pattern, _first) in _RESOLVERS.items():
    _StudyLoader.add_implicit_resolver(_TAG + _name, re.compile(_pattern), _first)


@dataclass(slots=True)
class YamlSource:
    """One YAML document on its way to located content.

    Attributes:
        text: The document.
        name: Name of the file, for messages.
        has_lines: Whether lines mean something to the user (not in the value of a ``--set``).
        path: Where in the study the document belongs, for messages; empty for all of it.
        problems: Faults that leave the rest readable, e.g. duplicate keys; filled by
            :meth:`compose`.
    """

    text: str
    name: str
    has_lines: bool = True
    path: str = ""
    problems: list[Problem] = field(default_factory=list)

    def compose(self) -> Located | None:
        """Return the content, None if there is nothing in the document.

        Raises:
            StudySyntaxError: If the text is not YAML, or uses what a study may not use.
        """
        try:
            self._refuse_what_surprises()
            node = yaml.compose(self.text, Loader=_StudyLoader)
        except yaml.YAMLError as error:
            raise StudySyntaxError([self._explain(error)]) from None
        return None if node is None else self._read(node, self.path)

    def _refuse_what_surprises(self) -> None:
        """Look for aliases, tags and deep nesting in the flat stream of events."""
        depth = 0
        for event in yaml.parse(self.text, Loader=_StudyLoader):
            reason = None
            depth += isinstance(event, yaml.CollectionStartEvent)
            depth -= isinstance(event, yaml.CollectionEndEvent)
            if isinstance(event, yaml.AliasEvent):
                reason = f"alias *{event.anchor} is not supported; write the value out"
            elif (tag := getattr(event, "tag", None)) is not None:
                shown = tag.replace(_TAG, "!!")
                reason = f"tag {shown} is not supported; write the plain value"
            elif depth > MAX_DEPTH:
                reason = f"nested more than {MAX_DEPTH} deep; a study nests a few levels"
            elif isinstance(event, yaml.ScalarEvent) and _SURROGATE.search(event.value):
                reason = "half of a surrogate pair is not a character; write it as \\U..."
            if reason is not None:
                raise StudySyntaxError([Problem(self._origin(event.start_mark), "", reason)])

    def _read(self, node: yaml.Node, path: str) -> Located:
        origin = self._origin(node.start_mark)
        match node:
            case yaml.MappingNode():
                return self._read_mapping(node, path)
            case yaml.SequenceNode():
                return LocatedList(tuple(self._read(item, path) for item in node.value), origin)
            case yaml.ScalarNode():
                return LocatedScalar(_read_scalar(node), origin)
            case _:
                raise AssertionError("PyYAML composes these three kinds of node only")

    def _read_mapping(self, node: yaml.MappingNode, path: str) -> LocatedMapping:
        entries: dict[str, Located] = {}
        origins: dict[str, Origin] = {}
        for key_node, child in node.value:
            origin = self._origin(key_node.start_mark)
            key = _read_key(key_node)
            child_path = f"{path}.{key}" if path else str(key)
            if key is None:
                message = f"a key must be text, got {_show_key(key_node)}; put it in quotes"
                self.problems.append(Problem(origin, path, message))
            elif key in entries:
                place = f"on line {origins[key].line}" if self.has_lines else "before"
                message = f"duplicate key, first given {place}; keep one of the two"
                self.problems.append(Problem(origin, child_path, message))
            else:
                entries[key] = self._read(child, child_path)
                origins[key] = origin
        return LocatedMapping(entries, origins, self._origin(node.start_mark))

    def _origin(self, mark: _Mark | None) -> Origin:
        return Origin(self.name, mark.line + 1 if mark and self.has_lines else None)

    def _explain(self, error: yaml.YAMLError) -> Problem:
        match error:
            case yaml.composer.ComposerError():
                message = "expected one YAML document, got another after ---"
                return Problem(self._origin(error.problem_mark), "", message)
            case yaml.MarkedYAMLError(problem=problem, context=context, problem_mark=mark):
                column = f" at column {mark.column + 1}" if mark and self.has_lines else ""
                during = f" ({context})" if context else ""
                message = f"not valid YAML{column}: {problem}{during}"
                return Problem(self._origin(mark), "", " ".join(message.split()))
            case yaml.reader.ReaderError(character=character, position=position):
                line = self.text.count("\n", 0, position) + 1 if self.has_lines else None
                message = f"not valid YAML: the character U+{character:04X} is not allowed"
                return Problem(Origin(self.name, line), "", message)
            case _:
                return Problem(Origin(self.name), "", f"not valid YAML: {error}")


def _read_key(node: yaml.Node) -> str | None:
    is_text = isinstance(node, yaml.ScalarNode) and node.tag == _TAG + "str"
    return str(node.value) if is_text else None


def _show_key(node: yaml.Node) -> str:
    return (node.value or "nothing") if isinstance(node, yaml.ScalarNode) else "a collection"


def _read_scalar(node: yaml.ScalarNode) -> ScalarValue:
    text: str = node.value
    match node.tag.removeprefix(_TAG):
        case "null":
            return None
        case "bool":
            return text.lower() == "true"
        case "int" if len(text) <= MAX_WHOLE_DIGITS:
            return int(text)
        case "int" | "float":
            return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))
        case _:
            return text
