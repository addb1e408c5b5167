"""The one factory of text towers: an encoder of captions and a projection head.

Inputs are rows of token ids as floats, 0 after the caption's end (see
:mod:`trainer.data.text_inputs`), or the features of an encoder that stays as it is.
"""

import math
from collections.abc import Callable
from functools import partial
from typing import assert_never

from trainer.models.protocol import SingleModel
from trainer.models.text_hub import load_hub_text
from trainer.models.text_tower_check import check_text_tower
from trainer.models.text_transformer import TextTransformer
from trainer.models.tower_head import TowerEncoder, head_alone, put_head_on
from trainer.tower_settings import TextTowerSettings, TowersSettings


def build_text_tower(
    settings: TowersSettings, input_shape: tuple[int, ...], vocabulary: int
) -> SingleModel:
    """Return the text tower that ``settings`` describe.

    Args:
        input_shape: Of one caption: (tokens,); of its features, (C,), where the encoder stays as
            it is.
        vocabulary: How many ids there are, for ``transformer``; others know it themselves.

    Raises:
        ModelSettingsError: If the settings describe no encoder.
    """
    own = settings.text
    if own.is_fixed:
        return head_alone(settings, math.prod(input_shape))
    check_text_tower(own)
    return put_head_on(_choose_encoder(own, vocabulary), settings, input_shape)


def _choose_encoder(own: TextTowerSettings, vocabulary: int) -> Callable[[], TowerEncoder]:
    """Return what draws the encoder."""
    match own.encoder:
        case "transformer":
            width, layers = own.hidden[0], len(own.hidden)
            return lambda: TextTransformer(vocabulary, own.tokens, width, layers).double()
        case "roberta" | "xlm_roberta" | "bert":
            assert own.weights is not None, "checked"
            return partial(load_hub_text, own.encoder, own.weights)
        case "word_hash" | "use":
            raise AssertionError(f"{own.encoder} has nothing to train")
        case unreachable:
            assert_never(unreachable)
