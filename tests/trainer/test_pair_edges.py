"""Audio-text cohorts at their edges: no val clips, ragged widths, norms of frozen encoders."""

from pathlib import Path
from typing import Any

import pytest
import torch

from tests.trainer import pair_cohorts
from tests.trainer.cohorts import CPU, make_member, train_by_trial
from tests.trainer.pair_cohorts import make_pair_cohort, tones, write_tones
from trainer.data.load_pairs import load_pairs
from trainer.data.pair_stream import stack_views
from trainer.tower_settings import TowersSettings

TRAINED: dict[str, Any] = {
    "audio": {"encoder": "conv", "hidden": (8,)},
    "text": {"encoder": "transformer", "hidden": (16,), "tokens": 8},
}


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANKFALL_CACHE", str(tmp_path / "cache"))


@pytest.mark.parametrize("encoders", [{}, TRAINED], ids=["features", "trained"])
def test_a_source_without_val_clips_is_trained_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, encoders: dict[str, Any]
) -> None:
    monkeypatch.setattr(pair_cohorts, "SPLITS", {"train": 3, "val": 0, "test": 1})
    write_tones(tmp_path / "tones")
    members = [make_member("a", lr=0.003, kind="infonce")]
    cohort = make_pair_cohort(
        members, tones(tmp_path / "tones"), model=encoders, train={"steps": 5}
    )
    measures = train_by_trial(cohort)["a"].measures
    assert "recall_at_1" in measures
    assert not [name for name in measures if name.startswith("val_")]


def test_frozen_encoders_of_layer_and_of_group_norm_have_features_of_their_own(
    tmp_path: Path,
) -> None:
    write_tones(tmp_path / "tones")
    data = tones(tmp_path / "tones")
    by_norm = {}
    for norm in ("layer", "group"):
        towers = TowersSettings.model_validate(
            {"audio": {"encoder": "conv", "hidden": (32,), "frozen": True}, "norm": norm}
        )
        loaded = load_pairs(data, towers, CPU, torch.float32)
        by_norm[norm] = loaded.clips.plain(loaded.splits["test"].positions_N)
    assert not torch.allclose(by_norm["layer"], by_norm["group"])


@pytest.mark.parametrize(("text", "audio"), [(33, 64), (16, 65), (5, 4), (16, 48)])
def test_rows_of_both_views_begin_where_a_cache_line_does(text: int, audio: int) -> None:
    text_BF, audio_BG = torch.randn(3, text), torch.randn(3, audio)
    views = stack_views(text_BF, audio_BG)
    assert all(stride * views.element_size() % 64 == 0 for stride in views.stride()[:2])
    assert torch.equal(views[0, :, :text], text_BF)
    assert torch.equal(views[1, :, :audio], audio_BG)
    assert not views[0, :, text:].any()
    assert not views[1, :, audio:].any()
