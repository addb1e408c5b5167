"""What the settings of both towers have in common that may be wrong."""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

from trainer.errors import ModelSettingsError
from trainer.models.weights_folder import find_folder, read_config

_MODEL_TYPES = {
    "clap": ("clap", "clap_audio_model"),
    "ast": ("audio-spectrogram-transformer",),
    "wav2vec2": ("wav2vec2",),
    "roberta": ("roberta",),
    "xlm_roberta": ("xlm-roberta",),
    "bert": ("bert",),
}


def check_installed(field: str, encoder: str, modules: dict[str, str]) -> None:
    """Refuse an optional encoder whose packages are missing.

    Raises:
        ModelSettingsError: With the command that installs them.
    """
    missing = [module for module in modules if find_spec(module) is None]
    if missing:
        commands = " && ".join(f"pip install {modules[module]}" for module in missing)
        raise ModelSettingsError(
            field, f"{encoder} needs {', '.join(missing)}, which is not installed: {commands}"
        )


def check_hidden(tower: str, encoder: str, hidden: tuple[int, ...], taker: str) -> None:
    """Refuse widths where they have no meaning, and none where they are needed.

    Args:
        tower: ``audio`` or ``text``.
        encoder: The tower's.
        hidden: The widths given.
        taker: The one encoder that has any.

    Raises:
        ModelSettingsError: If so.
    """
    if encoder != taker and hidden:
        raise ModelSettingsError(
            f"{tower}.hidden", f"only {taker} has it; leave it out for {encoder}"
        )
    if encoder == taker and not hidden:
        raise ModelSettingsError(
            f"{tower}.hidden", "expected a list of at least 1, got an empty list"
        )


def refuse_weights(tower: str, encoder: str, weights: str | None) -> None:
    """Refuse ``weights`` for an encoder that is not loaded from a folder.

    Raises:
        ModelSettingsError: If there are any.
    """
    if weights is not None:
        raise ModelSettingsError(
            f"{tower}.weights", f"{encoder} is not loaded from a folder; leave it out"
        )


def read_folder(tower: str, encoder: str, weights: str | None) -> tuple[Path, dict[str, Any]]:
    """Return the folder of pretrained weights and its configuration.

    Raises:
        ModelSettingsError: If there is none, or it holds something else than this encoder.
    """
    field, types = f"{tower}.weights", _MODEL_TYPES[encoder]
    if weights is None:
        raise ModelSettingsError(
            field,
            f"{encoder} needs a folder in Hugging Face's format; get one with 'hf download NAME "
            "--local-dir FOLDER' and give FOLDER",
        )
    folder = find_folder(weights, field)
    config = read_config(folder, field)
    if config.get("model_type") not in types:
        raise ModelSettingsError(
            field,
            f"expected model_type {' or '.join(types)} in {folder}/config.json, got "
            f"{config.get('model_type')!r}; choose another folder or encoder",
        )
    return folder, config
