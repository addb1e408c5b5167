"""Tries a study's values on the trainer's own models, before anything is spent.

Every combination of choices is built (one axis at a time when there are too many), and every
range at both ends, for each objective kind: what the trainer would refuse is found here.
"""

import itertools
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import get_args

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from search_spaces.axis import ChoiceAxis, RangeAxis
from search_spaces.canonical import flatten, nest
from search_spaces.complaints import Complaints
from search_spaces.explain import explain
from search_spaces.feasibility import find_obstacle
from search_spaces.located import LocatedMapping, find_origin
from search_spaces.origin import Problem
from search_spaces.settings_reader import Probe, Setting
from search_spaces.study import KIND, Plain
from trainer.audio_settings import AudioSourceName
from trainer.settings import SourceName
from trainer.trial_settings import IMAGES, SOUNDS, TrialSettings

MAX_COMBINATIONS = 512
SECTIONS = ("data", "model", "train")
_FORMS = {IMAGES: "studies of images", SOUNDS: "audio-text studies"}


@dataclass(slots=True)
class TrialProbe:
    """Builds trials from settings, complains of what fails, keeps what the models made of them.

    Attributes:
        root: The study's content, to find the place of a missing key.
        is_recorded: Whether trials of a study that was run already are tried, which need not be
            trainable on this machine: its data may be elsewhere.
        metric: The measure that the study optimises; None in other studies.
        accepted: Values as the models hold them (``1`` given for a float is ``1.0``), by path
            and position among the setting's probes.
    """

    root: LocatedMapping
    complaints: Complaints
    is_recorded: bool = False
    metric: str | None = None
    accepted: dict[tuple[str, int], Plain] = field(default_factory=dict)

    def try_kind(self, kind: str, settings: Iterable[Setting]) -> None:
        """Try all the settings that apply to one objective kind."""
        own = [s for s in settings if s.kinds is None or kind in s.kinds]
        for positions in _combinations(own):
            chosen = {
                s.path: _probe_of_kind(s, kind) if s.path == KIND else s.probes[positions[s.path]]
                for s in own
            }
            trial = self._build(kind, chosen)
            if trial is not None:
                self._accept(trial, positions)
                if not self.is_recorded:
                    self._check_feasible(trial, chosen)

    def _build(self, kind: str, chosen: Mapping[str, Probe]) -> TrialSettings | None:
        tree = nest([(path, probe.value) for path, probe in chosen.items()])
        sections: dict[str, object] = {k: {} for k in self.root.entries if k in SECTIONS}
        try:
            return TrialSettings.model_validate_json(json.dumps({**sections, **tree}), strict=True)
        except ValidationError as error:
            errors = error.errors()
            for details in errors:
                if not any(_is_below(other["loc"], details["loc"]) for other in errors):
                    self._complain(details, kind, chosen)
            return None

    def _complain(self, details: ErrorDetails, kind: str, chosen: Mapping[str, Probe]) -> None:
        # The unions' errors carry what was chosen behind the section; a file has no such level.
        loc = tuple(
            s for i, s in enumerate(details["loc"]) if not (i == 1 and s in (kind, *_FORMS))
        )
        path = ".".join(step for step in loc if isinstance(step, str))
        is_effect = details["type"] == "missing" and self.complaints.has_any_at(path)
        # A default that follows from another setting, which is complained of itself.
        is_effect |= details["type"] == "default_factory_not_called"
        if is_effect or self.complaints.is_settled(path):
            return
        self._report(path, loc, _explain(details), chosen)

    def _report(
        self,
        path: str,
        loc: tuple[int | str, ...],
        message: str,
        chosen: Mapping[str, Probe],
    ) -> None:
        probe = chosen.get(path)
        origin = find_origin(self.root, loc) if probe is None else probe.origin
        shown = path if probe is None else probe.path
        self.complaints.problems.append(Problem(origin, shown, message))

    def _accept(self, trial: TrialSettings, positions: Mapping[str, int]) -> None:
        values = flatten(trial.model_dump(by_alias=True))
        for path, position in positions.items():
            value = values[path]
            assert value is None or isinstance(value, float | int | str | tuple)
            self.accepted[path, position] = value

    def _check_feasible(self, trial: TrialSettings, chosen: Mapping[str, Probe]) -> None:
        if self.complaints.is_settled(KIND):
            return  # the kinds are stand-ins
        obstacle = find_obstacle(trial, self.metric)
        if obstacle is not None and not self.complaints.is_settled(obstacle.path):
            loc = tuple(obstacle.path.split("."))
            self._report(obstacle.path, loc, obstacle.reason, chosen)


def _explain(details: ErrorDetails) -> str:
    """Say what is wrong with a value where a section has two forms."""
    section, form, *rest = (*details["loc"], "", "")
    if details["type"] == "extra_forbidden" and form in _FORMS:
        return f"{_FORMS[str(form)]} have no such setting; leave it out"
    if (section, *rest[:1]) == ("model", "encoder") and details["type"] == "missing":
        return "missing; give it for images, or audio or text for sounds with captions"
    if (section, *rest[:1]) == ("data", "source"):
        sources = ", ".join(map(repr, (*get_args(SourceName), *get_args(AudioSourceName))))
        details = {**details, "ctx": {"expected": sources}}
    return explain(details)


def _is_below(loc: tuple[int | str, ...], above: tuple[int | str, ...]) -> bool:
    return len(loc) > len(above) and loc[: len(above)] == above


def _probe_of_kind(setting: Setting, kind: str) -> Probe:
    return next(probe for probe in setting.probes if probe.value == kind)


def _combinations(settings: Sequence[Setting]) -> Iterator[dict[str, int]]:
    """Yield positions among the probes of every setting, by path."""
    first = {s.path: 0 for s in settings}
    choices = [s for s in settings if isinstance(s.axis, ChoiceAxis) and s.path != KIND]
    ranges = [s for s in settings if isinstance(s.axis, RangeAxis)]
    if math.prod(len(s.probes) for s in choices) <= MAX_COMBINATIONS:
        paths = [s.path for s in choices]
        for chosen in itertools.product(*(range(len(s.probes)) for s in choices)):
            yield {**first, **dict(zip(paths, chosen, strict=True))}
    else:
        yield first
        yield from _one_at_a_time(first, choices)
    yield from _one_at_a_time(first, ranges)


def _one_at_a_time(first: dict[str, int], settings: Iterable[Setting]) -> Iterator[dict[str, int]]:
    for setting in settings:
        for position in range(1, len(setting.probes)):
            yield {**first, setting.path: position}
