"""What the text encoder takes of a caption: features, or token ids.

Shape legend: T = captions, F = features, or tokens.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from trainer.data.frozen_towers import text_features
from trainer.data.text.hub_tokens import hub_token_ids
from trainer.data.text.words import Vocabulary
from trainer.tower_settings import TowersSettings


@dataclass(frozen=True, slots=True)
class TextInputs:
    """Captions as a text encoder takes them.

    Attributes:
        inputs_TF: Features; or token ids as floats, exact below 2^24, 0 where there is no token.
        vocabulary: How many ids there are; 0 for features.
    """

    inputs_TF: Tensor
    vocabulary: int


def prepare_texts(
    texts: Sequence[str],
    train_texts: Sequence[str],
    towers: TowersSettings,
    split_seed: int,
    device: torch.device,
    dtype: torch.dtype,
) -> TextInputs:
    """Return captions as the text tower takes them, on ``device``.

    Args:
        train_texts: What a vocabulary is learned from.
        split_seed: Draws the weights of a frozen encoder that has none from a folder.

    Raises:
        ModelSettingsError: If tokenizer or weights cannot be loaded.
        FeatureCacheError: If features cannot be stored.
    """
    settings = towers.text
    if settings.is_fixed:
        features_TF = text_features(
            texts, towers, device, dtype, split_seed=split_seed, train_captions=train_texts
        )
        return TextInputs(features_TF.to(device, dtype), 0)
    if settings.encoder == "transformer":
        vocabulary = Vocabulary.of(train_texts)
        ids_TL = vocabulary.ids(texts, settings.tokens)
        return TextInputs(ids_TL.to(device, dtype), vocabulary.size)
    ids_TL = hub_token_ids(settings, texts)
    return TextInputs(ids_TL.to(device, dtype), int(ids_TL.max()) + 1)
