"""Noise on initial weights: how much, on what, by whose seed, and that nobody else notices."""

from pathlib import Path

import pytest
import torch
from torch.testing import assert_close

from tests.trainer.models.tower_folders import AUDIO, save_bert
from trainer.models.audio_tower import build_audio_tower
from trainer.models.protocol import Tensors
from trainer.models.text_tower import build_text_tower
from trainer.models.tower_inputs import audio_input_shape
from trainer.models.two_towers import TwoTowers
from trainer.models.weight_noise import add_weight_noise
from trainer.tower_settings import AudioTowerSettings, TextTowerSettings, TowersSettings

SEEDS = (5, 9, 5)


def weights(seeds: tuple[int, ...] = SEEDS) -> Tensors:
    """Return a wide and a narrow matrix, and what is constant, one row per member."""
    draws = [torch.Generator().manual_seed(seed) for seed in seeds]
    wide, narrow = (
        torch.stack([scale * torch.randn(40, 50, generator=g, dtype=torch.float64) for g in draws])
        for scale in (3.0, 0.01)
    )
    constant = torch.full((len(seeds), 6), 0.1, dtype=torch.float64)
    return {"wide": wide, "narrow": narrow, "scale": constant, "number": constant[:, :1]}


def noise_of(share: float, seeds: tuple[int, ...] = SEEDS) -> Tensors:
    clean = weights(seeds)
    noisy = add_weight_noise(clean, seeds, share)
    return {name: noisy[name] - clean[name] for name in clean}


def test_without_noise_weights_are_as_they_are() -> None:
    clean = weights()
    same = add_weight_noise(clean, SEEDS, 0.0)
    assert all(same[name] is clean[name] for name in clean)


@pytest.mark.parametrize("share", [0.1, 0.5, 2.0])
def test_noise_is_a_share_of_each_tensors_own_deviation(share: float) -> None:
    noise, clean = noise_of(share), weights()
    for name in ("wide", "narrow"):
        for row, own in zip(noise[name], clean[name], strict=True):
            assert float(row.std() / own.std()) == pytest.approx(share, rel=0.06)
            assert abs(float(row.mean() / own.std())) < 0.1 * share
            correlation = torch.corrcoef(torch.stack([row.flatten(), own.flatten()]))[0, 1]
            assert abs(float(correlation)) < 0.1


def test_what_is_constant_stays() -> None:
    noise = noise_of(2.0)
    assert_close(noise["scale"], torch.zeros_like(noise["scale"]), rtol=0, atol=1e-15)
    assert not noise["number"].any()


def test_twice_the_share_is_twice_the_noise() -> None:
    once, twice = noise_of(0.5), noise_of(1.0)
    for name, noise in once.items():
        assert_close(twice[name], 2 * noise, rtol=1e-9, atol=1e-12)


def test_a_members_noise_goes_by_its_seed_and_the_tensors_name_alone() -> None:
    together = add_weight_noise(weights(), SEEDS, 0.5)
    for position, seed in enumerate(SEEDS):
        alone = add_weight_noise(weights((seed,)), (seed,), 0.5)
        for name, row in alone.items():
            assert torch.equal(row[0], together[name][position])
    noise = noise_of(0.5)
    assert torch.equal(noise["wide"][0], noise["wide"][2])
    units = [noise["wide"][0] / 3, noise["wide"][1] / 3, noise["narrow"][0] / 0.01]
    for one, other in ((0, 1), (0, 2)):
        pair = torch.stack([units[one].flatten(), units[other].flatten()])
        assert abs(float(torch.corrcoef(pair)[0, 1])) < 0.1


def towers(bert: Path, share: float, *, frozen: bool = False) -> TwoTowers:
    """Return BERT's loaded weights beside convolutions from scratch."""
    settings = TowersSettings(
        audio=AudioTowerSettings(encoder="conv", hidden=(8,)),
        text=TextTowerSettings(encoder="bert", weights=str(bert), frozen=frozen, tokens=8),
        head_hidden=(7,),
        embed_dim=6,
        weight_noise=share,
    )
    shape = audio_input_shape(settings.audio, AUDIO)
    width = 16 if frozen else 8
    return TwoTowers.of(
        build_text_tower(settings, (width,), 0),
        build_audio_tower(settings, shape, AUDIO),
        *(width, shape[0] * shape[1], settings.weight_noise),
    )


def test_loaded_weights_and_drawn_ones_of_both_towers_get_it(tmp_path: Path) -> None:
    save_bert(tmp_path)
    clean, noisy = (towers(tmp_path, share).init_parameters([1, 2]) for share in (0.0, 0.5))
    assert clean.keys() == noisy.keys()
    matrices = [name for name, weight in clean.items() if weight[0].numel() > 60]
    assert {name.split("/")[0] for name in matrices} == {"text", "audio"}
    for name in matrices:
        for row, own in zip(noisy[name], clean[name], strict=True):
            assert float((row - own).std() / own.std()) == pytest.approx(0.5, rel=0.25), name
    loaded = next(name for name in matrices if "query.weight" in name)
    assert torch.equal(clean[loaded][0], clean[loaded][1])  # one file for all replicates
    assert not torch.equal(noisy[loaded][0], noisy[loaded][1])


def test_a_frozen_tower_gets_it_on_its_head_alone(tmp_path: Path) -> None:
    save_bert(tmp_path)
    model = towers(tmp_path, 0.5, frozen=True)
    names = [name for name in model.init_parameters([1]) if name.startswith("text/")]
    assert names
    assert all(name.startswith("text/head") for name in names)


def test_members_that_stay_keep_the_noise_of_their_model(tmp_path: Path) -> None:
    save_bert(tmp_path)
    assert towers(tmp_path, 0.5).select([0]).weight_noise == 0.5
