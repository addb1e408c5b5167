"""The tensors that a bound objective holds besides its learnable parameters.

Scalars, prototypes, initial weights: all of them are settings or were drawn from seeds, but a
draw may round differently on another machine, so a checkpoint keeps what was drawn.
"""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from typing import TypeVar

from torch import Tensor

Holder = TypeVar("Holder")


def held_tensors(objective: object) -> dict[str, Tensor]:
    """Return every tensor field of a dataclass and of the dataclasses in it, by dotted name."""
    held: dict[str, Tensor] = {}
    if not is_dataclass(objective):
        return held
    for field in fields(objective):
        value = getattr(objective, field.name)
        if isinstance(value, Tensor):
            held[field.name] = value
        else:
            held |= {f"{field.name}.{name}": t for name, t in held_tensors(value).items()}
    return held


def replace_held(objective: Holder, tensors: Mapping[str, Tensor]) -> Holder:
    """Return the objective with other tensors, named as :func:`held_tensors` names them."""
    if not is_dataclass(objective):
        return objective
    changes: dict[str, object] = {}
    for field in fields(objective):
        value = getattr(objective, field.name)
        prefix = f"{field.name}."
        inner = {n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)}
        if field.name in tensors:
            changes[field.name] = tensors[field.name]
        elif inner:
            changes[field.name] = replace_held(value, inner)
    return replace(objective, **changes)  # type: ignore[type-var]
