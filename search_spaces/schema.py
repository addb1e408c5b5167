"""Which keys a study file may have, read off the trainer's own settings models.

Nothing is listed twice: a field added to a model in ``trainer.settings`` or a kind added to the
union in ``trainer.objective_settings`` is a key of the study file from then on.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from trainer.audio_settings import AudioSettings
from trainer.objective_settings import ObjectiveSettings
from trainer.settings import DataSettings, ModelSettings
from trainer.tower_settings import TowersSettings
from trainer.trial_settings import IMAGES, SOUNDS, Form, TrialSettings

# Parts of TrialSettings whose scalars may be axes. ``collapse`` belongs to the whole study.
AXIS_SECTIONS = ("data", "model", "train", "lr")


_BY_FORM: Mapping[Form, Mapping[str, type[BaseModel]]] = {
    IMAGES: {"data": DataSettings, "model": ModelSettings},
    SOUNDS: {"data": AudioSettings, "model": TowersSettings},
}


@dataclass(frozen=True, slots=True)
class Leaf:
    """A setting without parts.

    Attributes:
        is_sequence: Takes a list as one plain value (layer widths).
        is_whole: Takes whole numbers only.
        is_number: Takes numbers.
        choices: The closed list of its values, if it has one.
        is_required: Has no default.
    """

    is_sequence: bool
    is_whole: bool
    is_number: bool
    choices: tuple[str, ...]
    is_required: bool


@dataclass(frozen=True, slots=True)
class Branch:
    """A setting with parts, by the name each has in a file."""

    children: Mapping[str, "Leaf | Branch"]
    is_required: bool = True


@cache
def section_schema(form: Form = IMAGES) -> Branch:
    """Return the schema of everything but the objective, in a study of images or of sounds."""
    whole = read_model(TrialSettings, skip=frozenset({"objective", *_BY_FORM[form]}))
    own = {name: read_model(model) for name, model in _BY_FORM[form].items()}
    children = {**whole.children, **own}
    return Branch({name: children[name] for name in AXIS_SECTIONS})


@cache
def objective_schemas() -> Mapping[str, Branch]:
    """Return the schema of each objective kind, by kind, in the order of the union."""
    return {kind: read_model(model) for kind, model in objective_models().items()}


@cache
def objective_models() -> Mapping[str, type[BaseModel]]:
    """Return the settings model of each objective kind, by kind."""
    return {
        kind: model
        for model in _members_of(ObjectiveSettings)
        for kind in get_args(model.model_fields["kind"].annotation)
    }


def paths_of(branch: Branch, prefix: str = "") -> Iterator[tuple[str, Leaf]]:
    """Yield every leaf below a branch with its dotted path."""
    for name, child in branch.children.items():
        if isinstance(child, Leaf):
            yield prefix + name, child
        else:
            yield from paths_of(child, f"{prefix}{name}.")


@cache
def objective_paths(kind: str) -> frozenset[str]:
    """Return the dotted paths (``objective.…``) that one kind knows.

    Raises:
        KeyError: If there is no such kind.
    """
    return frozenset(path for path, _ in paths_of(objective_schemas()[kind], "objective."))


def read_model(model: type[BaseModel], skip: frozenset[str] = frozenset()) -> Branch:
    """Return the keys that a file may give for a pydantic model, by alias where it has one."""
    return Branch(
        {
            field.alias or name: _read_field(field)
            for name, field in model.model_fields.items()
            if name not in skip
        }
    )


def _read_field(field: FieldInfo) -> Leaf | Branch:
    types = [_without_annotation(t) for t in _members_of(field.annotation)]
    for candidate in types:
        if isinstance(candidate, type) and issubclass(candidate, BaseModel):
            return Branch(read_model(candidate).children, field.is_required())
    return Leaf(
        is_sequence=any(get_origin(t) is tuple for t in types),
        is_whole=int in types and float not in types,
        is_number=int in types or float in types,
        choices=tuple(v for t in types if get_origin(t) is Literal for v in get_args(t)),
        is_required=field.is_required(),
    )


def _members_of(annotation: Any) -> tuple[Any, ...]:
    """Return the types of a union (or the one type), without None and annotations."""
    plain = _without_annotation(annotation)
    if get_origin(plain) in (Union, UnionType):
        return tuple(_without_annotation(t) for t in get_args(plain) if t is not NoneType)
    return (plain,)


def _without_annotation(annotation: Any) -> Any:
    while get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    return annotation
