"""Captions as the ids of a pretrained encoder's own tokenizer.

Shape legend: T = captions, L = places of a row.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from trainer.errors import ModelSettingsError
from trainer.models.hub_encoder import import_transformers
from trainer.models.text_hub import FIELD
from trainer.models.weights_folder import find_folder
from trainer.tower_settings import TextTowerSettings

TOKENIZER_FILES = ("*.json", "*.txt", "*.model", "*.safetensors")
"""What a folder's ids and features depend on."""


def hub_token_ids(settings: TextTowerSettings, captions: Sequence[str]) -> Tensor:
    """Return the tokenizer's ids plus one, 0 after the end, (T, L), int64.

    Shifted by one, 0 is padding with every tokenizer: RoBERTa's own padding is 1, and its 0 the
    beginning of a caption. Captions are cut to ``settings.tokens``, those of beginning and end
    among them.

    Raises:
        ModelSettingsError: If the folder of ``settings.weights`` has no tokenizer that loads.
    """
    assert settings.weights is not None, "checked"
    folder = find_folder(settings.weights, FIELD)
    try:
        tokenizer = import_transformers().AutoTokenizer.from_pretrained(
            folder, local_files_only=True
        )
        tokenizer.padding_side = "right"
        encoded = tokenizer(
            list(captions),
            truncation=True,
            max_length=settings.tokens,
            padding="max_length",
            return_attention_mask=True,
        )
    except Exception as error:  # transformers and tokenizers raise any
        raise ModelSettingsError(FIELD, f"the tokenizer in {folder} fails: {error}") from error
    ids_TL, attention_TL = (torch.tensor(encoded[name]) for name in ("input_ids", "attention_mask"))
    return (ids_TL + 1) * attention_TL
