"""One content, one text, one digest: what makes two study files the same study."""

import hashlib
import json
from collections.abc import Iterable, Mapping

from search_spaces.axis import Axis, RangeAxis
from trainer.audio_settings import AUDIO_SOURCES

DIGEST_CHARACTERS = 12

MEANT_BEFORE: Mapping[str, object] = {
    "data.classes": None,
    "data.hard_negatives": 0,
    "data.augment.policy": "simple",
    "data.augment.crop_low": 0.08,
    "data.augment.flip": 0.5,
    "data.augment.jitter": 0.5,
    "data.augment.drop_colour": 0.2,
    "data.augment.blur": 0.0,
    "data.augment.learned_on": "cifar10",
    "data.augment.operations": 2,
    "data.augment.magnitude": 9.0,
    "model.width": None,
    "model.stem": None,
    "model.pool": None,
    "model.head_norm": None,
    "model.head_out_norm": "none",
    "model.weight_noise": 0.0,
    "evaluate.linear_probe": False,
    "evaluate.nccc": False,
    "evaluate.few_shot": 0,
    "evaluate.cdnv": False,
    "evaluate.projection": False,
    "evaluate.train_images": 5000,
    "evaluate.zero_shot": False,
    "evaluate.drift": False,
    "objective.temperature_mode": "fixed",
    "objective.similarities": "online",
}
"""Settings that came after the first studies were run, and what those studies meant without them.

At this value a setting does not count for the digest, so that it continues the ledgers from
before it. If its default ever changes, the value here stays.
"""

MEANT_BEFORE_OF_SOUNDS: Mapping[str, object] = {"data.imbalance": 1.0}
"""The same for settings that came to studies of sounds after those of images had them."""

MEANT_BEFORE_BY_KIND: Mapping[tuple[str, str], object] = {
    ("supcon", "objective.label_fraction"): 1.0,
}
"""The same for settings that came to one objective kind after others had them."""


def nest(values: Iterable[tuple[str, object]]) -> dict[str, object]:
    """Turn dotted paths into nested mappings: ``("a.b", 1)`` becomes ``{"a": {"b": 1}}``."""
    tree: dict[str, object] = {}
    for path, value in values:
        *parents, leaf = path.split(".")
        branch = tree
        for name in parents:
            child = branch.setdefault(name, {})
            assert isinstance(child, dict), f"{path} runs through a value"
            branch = child
        branch[leaf] = value
    return tree


def flatten(tree: Mapping[str, object], prefix: str = "") -> dict[str, object]:
    """Undo :func:`nest`: return the leaves by dotted path."""
    leaves: dict[str, object] = {}
    for name, value in tree.items():
        if isinstance(value, Mapping):
            leaves |= flatten(value, f"{prefix}{name}.")
        else:
            leaves[prefix + name] = value
    return leaves


def drop_unsaid(settings: Mapping[str, object]) -> dict[str, object]:
    """Return settings by dotted path without those of :data:`MEANT_BEFORE` at the value there.

    The settings are of one trial, ``objective.kind`` and ``data.source`` among them.
    """
    kind = str(settings.get("objective.kind"))
    of_kind = {path: v for (own, path), v in MEANT_BEFORE_BY_KIND.items() if own == kind}
    is_sounds = settings.get("data.source") in AUDIO_SOURCES
    of_form = MEANT_BEFORE_OF_SOUNDS if is_sounds else {}
    unsaid = {**MEANT_BEFORE, **of_form, **of_kind}
    return {
        path: value
        for path, value in settings.items()
        if path not in unsaid or value != unsaid[path]
    }


def describe_axis(axis: Axis) -> object:
    """Return an axis as it is written in a study file."""
    if isinstance(axis, RangeAxis):
        return {"low": axis.low, "high": axis.high, "log": axis.log, "points": axis.points}
    return list(axis.values)


def digest_of(content: Mapping[str, object]) -> str:
    """Return the first 12 hexadecimal characters of SHA-256 over the canonical JSON."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:DIGEST_CHARACTERS]
