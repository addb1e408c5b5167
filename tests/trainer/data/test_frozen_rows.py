"""Frozen features of train clips: means of captions, sounds of either tower, likeness."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from tests.trainer.cohorts import CPU, make_member
from tests.trainer.pair_cohorts import make_pair_cohort, tones, write_tones
from trainer.data.clip_rows import WaveformRows
from trainer.data.frozen_rows import FrozenRows, caption_rows, sound_rows
from trainer.data.load_pairs import load_pairs
from trainer.data.pair_data import Captions, PairData
from trainer.data.text.word_hash import hash_words
from trainer.tower_settings import TowersSettings

TRAINED: dict[str, Any] = {
    "audio": {"encoder": "conv", "hidden": (8, 8)},
    "text": {"encoder": "transformer", "hidden": (16, 16), "tokens": 8},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tones")
    write_tones(path)
    return path


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANKFALL_CACHE", str(tmp_path_factory.getbasetemp() / "pair-cache"))


def load(folder: Path, model: dict[str, Any] | None = None, **data: Any) -> PairData:
    cohort = make_pair_cohort(
        [make_member("a", lr=0.01, kind="infonce")], tones(folder, **data), model=model
    )
    assert isinstance(cohort.model, TowersSettings)
    return load_pairs(cohort.data, cohort.model, CPU, torch.float32)  # type: ignore[arg-type]


def captions_of(rows: Tensor, clips: list[int]) -> Captions:
    clip_T = torch.tensor(clips)
    return Captions.of(rows, clip_T, torch.zeros_like(clip_T))


def mean_by_loops(rows: list[list[float]], clips: list[int]) -> Tensor:
    count = max(clips) + 1
    means = []
    for clip in range(count):
        own = [row for row, of in zip(rows, clips, strict=True) if of == clip]
        means.append([sum(column) / len(own) for column in zip(*own, strict=True)])
    centre = [sum(column) / count for column in zip(*means, strict=True)]
    centred = torch.tensor(means, dtype=torch.float64) - torch.tensor(centre, dtype=torch.float64)
    lengths: Tensor = torch.linalg.vector_norm(centred, dim=1, keepdim=True)
    return centred / lengths


def test_a_clips_row_is_the_mean_of_its_captions_without_what_all_share() -> None:
    rows = torch.randn(7, 4, generator=torch.Generator().manual_seed(0))
    clips = [0, 0, 1, 2, 2, 2, 3]
    found = caption_rows(captions_of(rows, clips), ["never read"] * 7, is_features=True)
    assert_close(found.double(), mean_by_loops(rows.tolist(), clips), rtol=1e-5, atol=1e-6)


def test_captions_of_a_tower_that_is_trained_are_hashed() -> None:
    texts = ["a dog barks", "barking", "rain on a roof", "it rains", "a dog howls", "piano"]
    clips = [0, 0, 1, 1, 2, 3]
    ids = torch.arange(12.0).reshape(6, 2)
    found = caption_rows(captions_of(ids, clips), texts, is_features=False)
    expected = mean_by_loops(hash_words(texts, 1024).tolist(), clips)
    assert_close(found.double(), expected, rtol=1e-5, atol=1e-6)
    likeness = found @ found.mT
    assert likeness[0, 2] == likeness[0, [1, 2, 3]].max()  # both are of a dog


@pytest.mark.parametrize("model", [None, TRAINED], ids=["features", "trained"])
def test_likeness_is_a_cosine_and_names_the_neighbours(
    folder: Path, model: dict[str, Any] | None
) -> None:
    data = load(folder, model)
    clips_B = torch.arange(len(data.train_labels_N))
    likeness_SBB = FrozenRows.of(data).likeness(clips_B)
    assert likeness_SBB.shape == (2, 48, 48)
    assert_close(likeness_SBB, likeness_SBB.mT)
    assert_close(likeness_SBB.diagonal(dim1=1, dim2=2), torch.ones(2, 48))
    is_alike = data.train_labels_N[:, None] == data.train_labels_N
    for side_BB in likeness_SBB:  # captions and sounds of one pitch
        assert side_BB[is_alike].mean() > side_BB[~is_alike].mean() + 0.3
    order = torch.randperm(48, generator=torch.Generator().manual_seed(1))[:9]
    assert_close(FrozenRows.of(data).likeness(order), likeness_SBB[:, order][:, :, order])


def test_sounds_are_as_alike_by_their_waveforms_as_by_their_spectrograms(folder: Path) -> None:
    data = load(folder, TRAINED)
    rows = torch.stack([tone(int(p), data) for p in range(len(data.train_labels_N))])
    by_wave = WaveformRows(rows, data.settings, CPU, torch.float32).frozen(torch.arange(3))
    assert by_wave.shape == (3, 2 * 4 * data.settings.mel.bands)
    assert by_wave.isfinite().all()
    assert sound_rows(data).shape == (48, 2 * 4 * data.settings.mel.bands)
    levels = by_wave[:, : data.settings.mel.bands]
    assert levels[0].argmax() <= levels[1].argmax() <= levels[2].argmax()


def tone(number: int, data: PairData) -> Tensor:
    times = torch.arange(data.settings.clip_samples) / data.settings.sample_rate_hz
    return torch.sin(2 * torch.pi * 300.0 * (number + 1) * times)


def test_batches_of_hard_negatives_come_from_the_setting(folder: Path) -> None:
    assert load(folder).hard_negatives is None
    for model in (None, TRAINED):
        hard = load(folder, model, hard_negatives=3).hard_negatives
        assert hard is not None
        assert hard.hardest == 3
        assert hard.rows_NC.shape[0] == 48
