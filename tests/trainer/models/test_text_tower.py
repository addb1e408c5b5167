"""Text towers: features are those of the modules themselves, and padding is nothing.

Shape legend: M = members, N = captions, L = places of a row, C = features.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import TransformerEncoderLayer
from torch.testing import assert_close
from transformers import AutoTokenizer

from tests.contracts.model import SAMPLES as ROWS
from tests.contracts.model import ModelContract
from tests.trainer.models.tower_folders import save_bert, save_roberta, save_xlm_roberta
from trainer.data.text.hub_tokens import hub_token_ids
from trainer.models.caption_pooling import cut_padding, mean_of_words
from trainer.models.protocol import SingleModel
from trainer.models.text_tower import build_text_tower
from trainer.tower_settings import TextTowerSettings, TowersSettings

SAVERS: dict[str, Callable[[Path], Any]] = {
    "roberta": save_roberta,
    "xlm_roberta": save_xlm_roberta,
    "bert": save_bert,
}
TOKENS = 9
VOCABULARY = 11
CAPTIONS = ("a violin then two bells", "drum", "a drum then a drum", "", "unheard of")


def tower(**text: Any) -> SingleModel:
    settings = TowersSettings(
        text=TextTowerSettings(**{"tokens": TOKENS} | text), head_hidden=(7,), embed_dim=6
    )
    return build_text_tower(settings, (TOKENS,), VOCABULARY)


def word_rows(members: int, tokens: int = TOKENS) -> Tensor:
    """Return ids of captions of 1 to 5 words; zeros after them."""
    generator = torch.Generator().manual_seed(3)
    ids = torch.randint(1, VOCABULARY, (members, ROWS, tokens), generator=generator)
    lengths = torch.tensor([3, 1, 5, 2, 4])
    return (ids * (torch.arange(tokens) < lengths[:, None])).double()


def features(model: SingleModel, rows: Tensor, *, training: bool = False) -> Tensor:
    return model.encode(model.init_parameters([1]), {}, rows, training=training)[0].detach()


class TestTransformer(ModelContract):
    def make_model(self) -> SingleModel:
        return tower(encoder="transformer", hidden=(32, 32))

    def make_inputs(self, members: int) -> Tensor:
        return word_rows(members)


class HubContract(ModelContract):
    encoder: str
    folder: Path

    @pytest.fixture(autouse=True)
    def saved(self, tmp_path: Path) -> None:
        SAVERS[self.encoder](tmp_path)
        self.folder = tmp_path

    def make_model(self) -> SingleModel:
        return tower(encoder=self.encoder, weights=str(self.folder))

    def make_inputs(self, members: int) -> Tensor:
        rows = word_rows(members)
        return rows + 2 * (rows > 0) * (rows < 3)  # a padding token inside has no gradient


class TestRoberta(HubContract):
    encoder = "roberta"


class TestBert(HubContract):
    encoder = "bert"


class TestHeadAlone(ModelContract):
    def make_model(self) -> SingleModel:
        settings = TowersSettings(head_hidden=(7,), embed_dim=6)
        return build_text_tower(settings, (9,), 0)

    def make_inputs(self, members: int) -> Tensor:
        generator = torch.Generator().manual_seed(3)
        return torch.randn(members, ROWS, 9, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("encoder", SAVERS)
def test_features_are_those_of_the_library_with_its_own_tokenizer_and_mask(
    tmp_path: Path, encoder: str, training: bool
) -> None:
    network = SAVERS[encoder](tmp_path)
    inputs = AutoTokenizer.from_pretrained(tmp_path)(
        list(CAPTIONS), padding=True, truncation=True, max_length=TOKENS, return_tensors="pt"
    )
    with torch.no_grad():
        tokens_NLC = network(**inputs).last_hidden_state
    expected = [
        torch.stack([t for t, counts in zip(tokens, mask, strict=True) if counts]).mean(dim=0)
        for tokens, mask in zip(tokens_NLC, inputs["attention_mask"], strict=True)
    ]
    own = TextTowerSettings.model_validate(
        {"encoder": encoder, "weights": str(tmp_path), "tokens": TOKENS}
    )
    rows = hub_token_ids(own, CAPTIONS).double()
    assert rows.shape == (len(CAPTIONS), TOKENS)
    model = tower(encoder=encoder, weights=str(tmp_path))
    assert_close(features(model, rows[None], training=training), torch.stack(expected))


@pytest.mark.parametrize("encoder", ["transformer", "roberta", "bert"])
def test_padding_changes_nothing(tmp_path: Path, encoder: str) -> None:
    given = {} if encoder == "transformer" else {"weights": str(tmp_path)}
    if given:
        SAVERS[encoder](tmp_path)
    model, rows = tower(encoder=encoder, **given), word_rows(1)
    together = features(model, rows)
    for row in range(ROWS):
        words = int((rows[0, row] > 0).sum())
        padded_alone = features(model, rows[:, row : row + 1])
        assert_close(padded_alone[0], together[row])
        others_of_full_length = rows.clone()
        others_of_full_length[0, (row + 1) % ROWS] = 1.0
        assert_close(features(model, others_of_full_length)[row], together[row])
        assert words < TOKENS


def test_the_transformer_is_torchs_own_with_the_norm_first() -> None:
    model, rows = tower(encoder="transformer", hidden=(32, 32)), word_rows(1)
    drawn = model.init_parameters([1])
    own = {n.removeprefix("encoder."): p[0] for n, p in drawn.items() if "encoder." in n}
    names = {
        "self_attn.in_proj_": "queries_keys_values.",
        "self_attn.out_proj.": "output.",
        "linear1.": "wide.",
        "linear2.": "narrow.",
        "norm1.": "attention_norm.",
        "norm2.": "linear_norm.",
    }
    x = own["words.weight"][rows[0].long()] + own["places.weight"]
    for number in range(2):
        layer = TransformerEncoderLayer(
            32, 2, 128, 0.0, "gelu", batch_first=True, norm_first=True, dtype=torch.float64
        )
        layer.load_state_dict(
            {
                theirs + part: own[f"layers.{number}.{ours}{part}"]
                for theirs, ours in names.items()
                for part in ("weight", "bias")
            }
        )
        x = layer(x, src_key_padding_mask=rows[0] == 0)
    x = torch.nn.functional.layer_norm(x, (32,), own["norm.weight"], own["norm.bias"])
    expected = [x[i, : int((row > 0).sum())].mean(dim=0) for i, row in enumerate(rows[0])]
    assert_close(features(model, rows), torch.stack(expected).detach())


def test_a_caption_without_words_has_finite_features() -> None:
    rows = word_rows(1)
    rows[0, 2] = 0
    assert features(tower(encoder="transformer"), rows).isfinite().all()


@settings(max_examples=25, deadline=None)
@given(lengths=st.lists(st.integers(0, 7), min_size=1, max_size=6), seed=st.integers(0, 2**16))
def test_means_are_of_the_words_and_no_place_is_kept_that_nobody_uses(
    lengths: list[int], seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    ids = torch.randint(1, 50, (len(lengths), 7), generator=generator)
    rows = (ids * (torch.arange(7) < torch.tensor(lengths)[:, None])).float()
    cut, counts = cut_padding(rows)
    assert cut.shape == counts.shape == (len(lengths), max(1, *lengths))
    tokens = torch.randn(*cut.shape, 3, generator=generator, dtype=torch.float64)
    means = mean_of_words(tokens, counts)
    for row, length in enumerate(lengths):
        assert_close(means[row], tokens[row, : max(1, length)].mean(dim=0))
        assert torch.equal(cut[row, :length].float(), rows[row, :length])
