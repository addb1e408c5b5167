"""Hypothesis strategies for study files, made from the JSON schema of the trainer's models.

They share no code with the reader: the models describe themselves to both.
"""

from collections.abc import Mapping
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from pydantic import BaseModel

from trainer.objective_settings import (
    ClopSettings,
    CLSettings,
    DCLSettings,
    InfoNCESettings,
    SupConSettings,
)
from trainer.settings import CollapseSettings, DataSettings, ModelSettings, TrainSettings

Json = dict[str, Any]

KINDS: Mapping[str, type[BaseModel]] = {
    "infonce": InfoNCESettings,
    "supcon": SupConSettings,
    "clop": ClopSettings,
    "cl": CLSettings,
    "dcl": DCLSettings,
}

# Kept away from what cannot be trained together: ten classes in too few dimensions, a batch
# larger than the train split, a test split without every class, batch norm in micro-batches, a
# learned temperature below 0.01.
LIMITS: Mapping[str, Json] = {
    "embed_dim": {"minimum": 12},
    "test_fraction": {"minimum": 0.1, "maximum": 0.5},
    "micro_batch_size": {"minimum": 64},
    "imbalance": {"maximum": 20.0},
    "temperature": {"minimum": 0.01},
}


def any_study() -> SearchStrategy[Json]:
    """Draw the content of a valid study file, of at most 2^10 slices per kind."""
    kinds = st.lists(st.sampled_from(sorted(KINDS)), min_size=1, max_size=3, unique=True)
    return kinds.flatmap(study_of).filter(lambda content: count_axes(content) <= 10)


def study_of(kinds: list[str]) -> SearchStrategy[Json]:
    """Draw the content of a study file with these objective kinds."""
    return st.fixed_dictionaries(
        {
            # Words: 08 would be a number.
            "study": st.from_regex(r"[a-z][a-zA-Z0-9_-]{0,20}", fullmatch=True),
            "question": st.just("boundary"),
            "data": part(DataSettings, required=("source",)).map(suit_source),
            "model": part(ModelSettings, required=("encoder",)).map(suit_encoder),
            "objective": objective(kinds),
            "lr": log_range(1e-5, 1e3),
            "budget": st.fixed_dictionaries({"trials": st.integers(1, 10**6)}),
        },
        optional={
            "train": part(TrainSettings).map(suit_batches),
            "collapse": part(CollapseSettings, axes=False),
            "seeds": st.integers(1, 9),
            "seed": st.integers(0, 2**31),
            "planner": st.sampled_from(["bisect", "grid", "qmc"]),
        },
    ).map(suit_utility)


def suit_utility(content: Json) -> Json:
    """Take the loss as utility where an encoder is frozen or recall: images have none."""
    collapse = content.get("collapse", {})
    is_frozen = content["model"].get("frozen") not in (None, False)
    if not is_frozen and collapse.get("utility") != "recall_at_1":
        return content
    return {**content, "collapse": {**collapse, "utility": "train_loss"}}


def suit_source(data: Json) -> Json:
    """Take the digits, which need nothing on disk, and leave out what does not apply to them."""
    unsuited = {"folder", "image_size", "colour", "limit", "classes"}
    if data.get("test_fraction") is None:
        unsuited |= {"test_fraction"}
    return {name: value for name, value in data.items() if name not in unsuited} | {
        "source": "digits"
    }


def suit_batches(train: Json) -> Json:
    """Leave out micro-batches smaller than the default batch, which batch norm forbids."""
    unsuited = set() if "batch_size" in train else {"micro_batch_size"}
    return {name: value for name, value in train.items() if name not in unsuited}


def suit_encoder(model: Json) -> Json:
    """Leave out what makes no model: weights, and sizes or norms that the encoder does not take."""
    encoder = model["encoder"]
    unsuited = {"weights", "pool"}
    if encoder != "mlp":
        unsuited |= {"hidden", "norm"}
    elif not model.get("hidden"):
        unsuited |= {"hidden"}
    if encoder not in ("resnet18", "resnet50"):
        unsuited |= {"width"}
    if encoder not in ("resnet", "resnet18", "resnet50"):
        unsuited |= {"stem"}
    return {name: value for name, value in model.items() if name not in unsuited}


def count_axes(content: Any) -> int:
    """Count the lists and ranges of a study's content (widths count too; no harm)."""
    match content:
        case list() | {"low": _}:
            return 1
        case dict():
            return sum(count_axes(child) for child in content.values())
        case _:
            return 0


def objective(kinds: list[str]) -> SearchStrategy[Json]:
    """Draw an objective whose keys are each known to one of the kinds at least."""
    properties: Json = {}
    for kind in kinds:
        properties |= KINDS[kind].model_json_schema()["properties"]
    del properties["kind"]
    kind_value: Any = kinds if len(kinds) > 1 else kinds[0]
    optional = {name: setting(name, schema, {}) for name, schema in properties.items()}
    return st.fixed_dictionaries({"kind": st.just(kind_value)}, optional=optional)


def part(
    model: type[BaseModel], *, required: tuple[str, ...] = (), axes: bool = True
) -> SearchStrategy[Json]:
    """Draw a section of the file; scalars may be axes where ``axes`` says so."""
    schema = model.model_json_schema()
    return section(schema, schema.get("$defs", {}), required, axes)


def section(
    schema: Json, definitions: Json, required: tuple[str, ...], axes: bool
) -> SearchStrategy[Json]:
    """Draw a mapping that a JSON schema describes."""
    draw = setting if axes else value
    properties = {
        name: draw(name, child, definitions) for name, child in schema["properties"].items()
    }
    needed = {name: properties.pop(name) for name in required}
    return st.fixed_dictionaries(needed, optional=properties)


def setting(name: str, schema: Json, definitions: Json) -> SearchStrategy[Any]:
    """Draw a plain value, a list of values, or a range."""
    if "$ref" in schema:
        definition = definitions[schema["$ref"].rpartition("/")[2]]
        return section(definition, definitions, (), axes=True)
    if "anyOf" in schema:
        return st.none() | setting(name, unless_null(schema), definitions)
    plain = value(name, schema, definitions)
    if schema["type"] == "array":
        return plain
    shapes = [plain, plain, st.lists(plain, min_size=1, max_size=2, unique=True)]
    if schema["type"] == "number":
        shapes.append(ends(plain))
    return st.one_of(shapes)


def unless_null(schema: Json) -> Json:
    """Return the schema of an optional setting that is given."""
    (given,) = (branch for branch in schema["anyOf"] if branch["type"] != "null")
    return dict(given)


def value(name: str, schema: Json, definitions: Json) -> SearchStrategy[Any]:
    """Draw a plain value within the bounds of its JSON schema."""
    assert isinstance(definitions, dict)
    bounds = {**schema, **LIMITS.get(name, {})}
    if "const" in schema or "enum" in schema:
        return st.sampled_from(schema.get("enum") or [schema["const"]])
    match schema["type"]:
        case "boolean":
            return st.booleans()
        case "integer":
            return st.integers(bounds.get("minimum", 0), min(bounds.get("maximum", 64), 64))
        case "array":
            return st.lists(st.integers(1, 64), min_size=schema.get("minItems", 0), max_size=3)
        case "number":
            low = bounds.get("minimum", bounds.get("exclusiveMinimum"))
            high = bounds.get("maximum", bounds.get("exclusiveMaximum", 10.0))
            return st.floats(low, high, exclude_min="minimum" not in bounds).map(
                lambda x: x if "maximum" in bounds else min(x, 0.99 * high)
            )
        case "string":
            return st.text(max_size=9)
        case other:
            raise AssertionError(f"a setting of type {other}: say here how to draw it")


def ends(values: SearchStrategy[float]) -> SearchStrategy[Json]:
    """Draw a linear range whose ends are two different values."""
    pairs = st.lists(values, min_size=2, max_size=2, unique=True).map(sorted)
    return pairs.map(lambda pair: {"low": pair[0], "high": pair[1], "points": 2})


def log_range(low: float, high: float) -> SearchStrategy[Json]:
    """Draw a logarithmic range within two limits."""
    return st.builds(
        lambda pair, points: {**pair, "log": True, "points": points},
        ends(st.floats(low, high)),
        st.integers(2, 9),
    )
