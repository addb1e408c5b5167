"""Ids of a pretrained encoder's own tokenizer, shifted so that 0 is padding."""

from pathlib import Path

import pytest
import torch

from tests.trainer.models.tower_folders import save_bert, save_roberta
from trainer.data.text.hub_tokens import hub_token_ids
from trainer.errors import ModelSettingsError
from trainer.tower_settings import TextTowerSettings


def test_robertas_ids_are_shifted_by_one_and_cut(tmp_path: Path) -> None:
    save_roberta(tmp_path)
    settings = TextTowerSettings(encoder="roberta", weights=str(tmp_path), tokens=5)
    ids_TL = hub_token_ids(settings, ["violin drum", "a then two bells drum", ""])
    #  <s> is 0, </s> is 2, violin is 4: all plus one
    expected = torch.tensor([[1, 5, 6, 3, 0], [1, 7, 8, 9, 3], [1, 3, 0, 0, 0]])
    assert torch.equal(ids_TL, expected)


def test_berts_padding_is_zero_too(tmp_path: Path) -> None:
    save_bert(tmp_path)
    settings = TextTowerSettings(encoder="bert", weights=str(tmp_path), tokens=4)
    #  [CLS] is 2, [SEP] is 3, [UNK] is 1, Drum is lower-cased to 6: all plus one
    assert hub_token_ids(settings, ["Drum", "xyz"]).tolist() == [[3, 7, 4, 0], [3, 2, 4, 0]]


def test_a_broken_tokenizer_is_named(tmp_path: Path) -> None:
    save_roberta(tmp_path)
    (tmp_path / "tokenizer.json").write_text("{}")
    settings = TextTowerSettings(encoder="roberta", weights=str(tmp_path))
    with pytest.raises(ModelSettingsError, match=r"text\.weights: the tokenizer in .* fails"):
        hub_token_ids(settings, ["drum"])
