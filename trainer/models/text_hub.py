"""RoBERTa, XLM-RoBERTa and BERT (MiniLM) of Hugging Face transformers: the mean over tokens.

Rows hold the tokenizer's ids plus one, so that 0 is padding whatever id the tokenizer pads with;
see :mod:`trainer.data.text.hub_tokens`. Tokens of beginning and end count in the mean, as in
sentence-transformers.

Shape legend: N = captions, L = places of a row, C = features.

References:
    Liu et al. 2019, arXiv:1907.11692; Conneau et al. 2020, arXiv:1911.02116; Devlin et al. 2019,
    arXiv:1810.04805; Reimers & Gurevych 2019, arXiv:1908.10084 (mean over tokens).
"""

from typing import Literal, assert_never

import torch
from torch import Tensor

from trainer.models.caption_pooling import cut_padding, mean_of_words
from trainer.models.hub_encoder import Network, import_transformers, load_network
from trainer.models.tower_head import TowerEncoder
from trainer.models.weights_folder import find_folder

FIELD = "text.weights"


class PooledText(TowerEncoder):
    """Rows of ids plus one [N, L], 0 after the end, to features [N, C]."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network
        self.width = network.config.hidden_size

    def forward(self, rows_NL: Tensor) -> Tensor:
        """Return the mean of the tokens' outputs."""
        ids_NL, counts_NL = cut_padding(rows_NL)
        # RoBERTa counts places by where the padding id is not.
        own_NL = torch.where(ids_NL > 0, ids_NL - 1, self.network.config.pad_token_id)
        output = self.network(
            input_ids=own_NL,
            attention_mask=counts_NL.long(),
            token_type_ids=torch.zeros_like(own_NL),
        )
        return mean_of_words(output.last_hidden_state, counts_NL)


def load_hub_text(encoder: Literal["roberta", "xlm_roberta", "bert"], weights: str) -> PooledText:
    """Load an encoder in float64; call :func:`trainer.models.tower_checks.check_towers` first.

    Raises:
        ModelSettingsError: If the weights in the folder are not those of the encoder.
    """
    library = import_transformers()
    match encoder:
        case "roberta":
            network, config = library.RobertaModel, library.RobertaConfig
        case "xlm_roberta":
            network, config = library.XLMRobertaModel, library.XLMRobertaConfig
        case "bert":
            network, config = library.BertModel, library.BertConfig
        case unreachable:
            assert_never(unreachable)
    folder = find_folder(weights, FIELD)
    return PooledText(load_network(network, config, folder, field=FIELD, add_pooling_layer=False))
