"""A small transformer of captions, from scratch: pre-norm layers, mean over the words.

Shape legend: N = captions, L = places of a row, C = channels, H = heads, c = channels of a head.

References:
    Vaswani et al. 2017, arXiv:1706.03762; Xiong et al. 2020, arXiv:2002.04745 (norm first).
"""

from torch import Tensor, nn
from torch.nn.functional import gelu, scaled_dot_product_attention

from trainer.models.caption_pooling import cut_padding, mean_of_words
from trainer.models.tower_head import TowerEncoder

HEAD_WIDTH = 16
"""Channels of an attention head."""

_INIT_STD = 0.02


class TextTransformer(TowerEncoder):
    """Rows of word ids [N, L], 0 after the end, to features [N, C]."""

    def __init__(self, vocabulary: int, tokens: int, width: int, layers: int) -> None:
        super().__init__()
        self.width = width
        self.words = nn.Embedding(vocabulary, width)
        self.places = nn.Embedding(tokens, width)
        for embedding in (self.words, self.places):
            nn.init.normal_(embedding.weight, std=_INIT_STD)
        self.layers = nn.ModuleList(TransformerLayer(width) for _ in range(layers))
        self.norm = nn.LayerNorm(width)

    def forward(self, rows_NL: Tensor) -> Tensor:
        """Return the mean of the words' outputs."""
        ids_NL, counts_NL = cut_padding(rows_NL)
        x_NLC = self.words(ids_NL) + self.places.weight[: ids_NL.shape[1]]
        for layer in self.layers:
            x_NLC = layer(x_NLC, counts_NL)
        return mean_of_words(self.norm(x_NLC), counts_NL)


class TransformerLayer(nn.Module):
    """Attention over the words that count, then two linear layers; without dropout."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.heads = width // HEAD_WIDTH
        self.attention_norm, self.linear_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.queries_keys_values = nn.Linear(width, 3 * width)
        self.output = nn.Linear(width, width)
        self.wide, self.narrow = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x_NLC: Tensor, counts_NL: Tensor) -> Tensor:
        """Return the layer's output, (N, L, C)."""
        x_NLC = x_NLC + self._attend(self.attention_norm(x_NLC), counts_NL)
        narrow_NLC: Tensor = self.narrow(gelu(self.wide(self.linear_norm(x_NLC))))
        return x_NLC + narrow_NLC

    def _attend(self, x_NLC: Tensor, counts_NL: Tensor) -> Tensor:
        stacked = self.queries_keys_values(x_NLC).unflatten(2, (3, self.heads, HEAD_WIDTH))
        query_NHLc, key_NHLc, value_NHLc = stacked.permute(2, 0, 3, 1, 4)
        seen_N11L = counts_NL[:, None, None]
        mixed_NHLc = scaled_dot_product_attention(
            query_NHLc, key_NHLc, value_NHLc, attn_mask=seen_N11L
        )
        output_NLC: Tensor = self.output(mixed_NHLc.transpose(1, 2).flatten(2))
        return output_NLC
