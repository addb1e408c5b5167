"""Pretrained weights on this machine: which folder a setting means, and what its files say.

Nothing is downloaded and nothing is unpickled: a folder must hold ``config.json`` and safetensors.
"""

import json
from pathlib import Path
from typing import Any

from trainer.errors import ModelSettingsError

_WEIGHTS = ("model.safetensors", "model.safetensors.index.json")


def find_folder(weights: str, field: str) -> Path:
    """Return the folder that ``weights`` names: an absolute path, or a name on the hub.

    A name is looked up in this machine's Hugging Face cache, where ``hf download NAME`` puts it.

    Args:
        weights: As in the settings.
        field: The setting that messages blame, e.g. ``audio.weights``.

    Raises:
        ModelSettingsError: If there is no such folder, or no such name in the cache.
    """
    folder = Path(weights)
    if folder.is_absolute() and folder.is_dir():
        return folder
    cached = None if folder.is_absolute() else _find_in_cache(weights)
    if cached is None:
        raise ModelSettingsError(
            field,
            "expected the absolute path of a folder on this machine, or the name of a model in its "
            f"Hugging Face cache, got {weights!r}; nothing is downloaded: get a model with "
            "'hf download NAME' and give NAME, or 'hf download NAME --local-dir FOLDER' and give "
            "FOLDER",
        )
    return cached


def read_config(folder: Path, field: str) -> dict[str, Any]:
    """Return what ``config.json`` says; {} if that is no object.

    Raises:
        ModelSettingsError: If the folder holds no safetensors or no readable ``config.json``.
    """
    if not any((folder / name).is_file() for name in _WEIGHTS):
        raise ModelSettingsError(
            field,
            f"expected model.safetensors in {folder}, found none; pickled weights (.bin) are not "
            "loaded: save the model again with save_pretrained",
        )
    try:
        config = json.loads((folder / "config.json").read_text())
    except (OSError, ValueError) as error:
        raise ModelSettingsError(
            field, f"expected a readable config.json in {folder}: {error}"
        ) from error
    return config if isinstance(config, dict) else {}


def _find_in_cache(name: str) -> Path | None:
    """Return the newest snapshot of a model in the Hugging Face cache, None without one."""
    from huggingface_hub import try_to_load_from_cache  # noqa: PLC0415 - most studies have none
    from huggingface_hub.errors import HFValidationError  # noqa: PLC0415

    try:
        path = try_to_load_from_cache(name, "config.json")
    except HFValidationError:  # no name that the hub could have
        return None
    return Path(path).parent if isinstance(path, str) else None
