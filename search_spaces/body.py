"""The part of a study file that settles its trials: data, model, train, objective, lr."""

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from search_spaces.axis import Axis, ChoiceAxis
from search_spaces.complaints import Complaints
from search_spaces.leaves import Entry, read_leaves
from search_spaces.located import Located, LocatedMapping, describe, find_origin, strip_origins
from search_spaces.objective_leaves import read_kinds, read_objective
from search_spaces.origin import Origin
from search_spaces.pair_rules import form_of
from search_spaces.point import Value
from search_spaces.schema import objective_schemas, section_schema
from search_spaces.settings_reader import Probe, Setting, read_setting
from search_spaces.study import KIND, Plain
from search_spaces.trial_probe import TrialProbe
from trainer.trial_settings import Form


@dataclass(frozen=True, slots=True)
class Body:
    """Settings by path, and the values that the trainer's models made of them."""

    settings: Mapping[str, Setting]
    accepted: Mapping[tuple[str, int], Plain]

    def axes(self) -> tuple[Axis, ...]:
        """Return what varies, sorted by path."""
        varied = [self._typed_axis(s.axis) for s in self.settings.values() if s.axis is not None]
        return tuple(sorted(varied, key=lambda axis: axis.path))

    def fixed(self) -> tuple[tuple[str, Plain], ...]:
        """Return what does not vary, sorted by path."""
        return tuple(
            (path, self.accepted[path, 0])
            for path, setting in sorted(self.settings.items())
            if setting.axis is None
        )

    def _typed_axis(self, axis: Axis) -> Axis:
        if not isinstance(axis, ChoiceAxis) or axis.path == KIND:
            return axis
        positions = range(len(axis.values))
        typed = tuple(_as_value(self.accepted[axis.path, i]) for i in positions)
        return dataclasses.replace(axis, values=typed)


def read_body(
    root: LocatedMapping,
    complaints: Complaints,
    *,
    is_recorded: bool,
    metric: str | None = None,
) -> Body:
    """Read the settings and try them on the trainer's models; complain of what is wrong.

    Args:
        root: The study's content.
        complaints: Takes what is wrong.
        is_recorded: The study was run already: whether it can be trained here is not asked.
        metric: The measure that the study optimises, which every trial has to yield.
    """
    kinds = _read_kinds(root, complaints)
    entries = [*_section_entries(root, complaints), *_objective_entries(root, kinds, complaints)]
    rest = [entry for entry in entries if not complaints.is_settled(entry.path)]
    read = [read_setting(entry, complaints) for entry in rest]
    settings = {setting.path: setting for setting in read if setting is not None}
    if complaints.is_settled(KIND):
        settings[KIND] = _stand_in(kinds, root)
    probe = TrialProbe(root, complaints, is_recorded, metric)
    for kind in kinds:
        probe.try_kind(kind, settings.values())
    return Body(settings, probe.accepted)


def _read_kinds(root: LocatedMapping, complaints: Complaints) -> tuple[str, ...]:
    """Return the kinds to read the objective by: after a complaint about them, all there are."""
    objective = root.entries.get("objective")
    if objective is None:
        complaints.add(root.origin, "objective", "missing; add e.g. objective: {kind: infonce}")
    elif not isinstance(objective, LocatedMapping):
        got = describe(strip_origins(objective))
        message = f"expected a mapping, e.g. objective: {{kind: infonce}}; got {got}"
        complaints.add(root.key_origins["objective"], "objective", message)
    else:
        origin = find_origin(root, ("objective", "kind"))
        kinds = read_kinds(objective.entries.get("kind"), origin, complaints)
        if kinds and not complaints.is_settled(KIND):
            return tuple(dict.fromkeys(kinds))
    return tuple(objective_schemas())


def _stand_in(kinds: tuple[str, ...], root: LocatedMapping) -> Setting:
    """Return kinds to go on with after a complaint, so that other mistakes are found too."""
    origin: Origin = root.origin
    probes = tuple(Probe(kind, KIND, origin) for kind in kinds)
    return Setting(KIND, ChoiceAxis(KIND, kinds), probes, None)


def _section_entries(root: LocatedMapping, complaints: Complaints) -> Iterator[Entry]:
    schema = section_schema(_form_of(root))
    given: dict[str, Located] = {k: n for k, n in root.entries.items() if k in schema.children}
    own = LocatedMapping(given, root.key_origins, root.origin)
    return read_leaves(own, root.origin, schema, "", complaints)


def _form_of(root: LocatedMapping) -> Form:
    content = strip_origins(root)
    data = content.get("data") if isinstance(content, dict) else None
    source = data.get("source") if isinstance(data, dict) else None
    return form_of(source if isinstance(source, list) else [source])


def _objective_entries(
    root: LocatedMapping, kinds: tuple[str, ...], complaints: Complaints
) -> Iterator[Entry]:
    objective = root.entries.get("objective")
    if isinstance(objective, LocatedMapping):
        origin = root.key_origins["objective"]
        yield from read_objective(objective, origin, kinds, complaints)


def _as_value(value: Plain) -> Value:
    assert isinstance(value, float | int | str), "a choice is never a list or nothing"
    return value
