"""Audio towers: our own numbers are those of the modules themselves, stacked as others are.

Shape legend: M = members, N = clips, K = mel bands, F = frames.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d
from torch.testing import assert_close
from transformers import ClapConfig, ClapModel

from tests.contracts.model import SAMPLES as ROWS
from tests.contracts.model import ModelContract, cast
from tests.trainer.models.tower_folders import (
    AUDIO,
    BANDS,
    FRAMES,
    SAMPLES,
    save_ast,
    save_clap,
    save_wav2vec2,
    see_decibels,
)
from trainer.models.audio_tower import build_audio_tower
from trainer.models.module_model import ModuleModel
from trainer.models.protocol import SingleModel
from trainer.models.tower_inputs import audio_input, audio_input_shape
from trainer.settings import Norm
from trainer.tower_settings import AudioTowerSettings, TowersSettings

PARTS = ("weight", "bias")
SAVERS: dict[str, Callable[[Path], Any]] = {
    "clap": save_clap,
    "ast": save_ast,
    "wav2vec2": save_wav2vec2,
}


def tower(norm: Norm = "none", **audio: Any) -> SingleModel:
    own = AudioTowerSettings(**audio)
    settings = TowersSettings(audio=own, head_hidden=(7,), embed_dim=6, norm=norm)
    return build_audio_tower(settings, audio_input_shape(own, AUDIO), AUDIO)


def clips(encoder: str, members: int = 1) -> Tensor:
    """Return rows as the encoder takes them: standardised, decibels or waveforms."""
    width = SAMPLES if encoder == "wav2vec2" else BANDS * FRAMES
    generator = torch.Generator().manual_seed(3)
    rows = torch.randn(members, ROWS, width, generator=generator, dtype=torch.float64)
    return rows * 12 - 45 if encoder == "clap" else rows


class ConvContract(ModelContract):
    norm: Norm

    def make_model(self) -> SingleModel:
        return tower(self.norm, encoder="conv", hidden=(4, 32))

    def make_inputs(self, members: int) -> Tensor:
        return clips("conv", members)


class TestConvWithoutNorm(ConvContract):
    norm = "none"


class TestConvWithBatchNorm(ConvContract):
    norm = "batch"


class TestConvWithGroupNorm(ConvContract):
    norm = "group"


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
        return clips(self.encoder, members)


class TestClap(HubContract):
    encoder = "clap"


class TestAst(HubContract):
    encoder = "ast"


class TestWav2Vec2(HubContract):
    encoder = "wav2vec2"


class TestHeadAlone(ModelContract):
    def make_model(self) -> SingleModel:
        settings = TowersSettings(head_hidden=(7,), embed_dim=6, norm="batch")
        return build_audio_tower(settings, (9,), AUDIO)

    def make_inputs(self, members: int) -> Tensor:
        generator = torch.Generator().manual_seed(3)
        return torch.randn(members, ROWS, 9, generator=generator, dtype=torch.float64)


def features(model: SingleModel, rows: Tensor, *, training: bool = False) -> Tensor:
    parameters = model.init_parameters([1])
    running = cast(model.init_running(1), torch.float64)
    return model.encode(parameters, running, rows, training=training)[0].detach()


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("frames", [FRAMES, 64])
def test_clap_is_the_librarys_on_decibels(tmp_path: Path, frames: int, training: bool) -> None:
    network = save_clap(tmp_path)
    audio = AUDIO.model_copy(update={"clip_seconds": (frames - 1) / 100})
    own = AudioTowerSettings(encoder="clap", weights=str(tmp_path))
    model = build_audio_tower(TowersSettings(audio=own), audio_input_shape(own, audio), audio)
    rows = 12 * torch.randn(1, 3, BANDS * frames, dtype=torch.float64) - 45
    decibels_NKF = rows[0].view(3, BANDS, frames)
    with torch.no_grad():
        expected = network(decibels_NKF.transpose(1, 2)[:, None]).pooler_output
    assert_close(features(model, rows, training=training), expected)


def test_clap_with_fusion_hears_whole_clips(tmp_path: Path) -> None:
    network = save_clap(tmp_path, enable_fusion=True, fusion_type="aff_2d", aff_block_r=2)
    rows = clips("clap")
    input_NCFK = rows[0].view(ROWS, BANDS, FRAMES).transpose(1, 2)[:, None].expand(-1, 4, -1, -1)
    with torch.no_grad():
        expected = network(
            input_NCFK, is_longer=torch.zeros(ROWS, 1, dtype=torch.bool)
        ).pooler_output
    assert_close(features(tower(encoder="clap", weights=str(tmp_path)), rows), expected)


def test_the_audio_encoder_is_taken_out_of_a_whole_clap(tmp_path: Path) -> None:
    save_clap(tmp_path / "audio")
    network = ClapModel(
        ClapConfig(
            text_config={
                "vocab_size": 8,
                "hidden_size": 16,
                "num_hidden_layers": 1,
                "num_attention_heads": 2,
                "intermediate_size": 16,
            },
            audio_config=json.loads((tmp_path / "audio" / "config.json").read_text()),
            projection_dim=8,
        )
    )
    see_decibels(network.audio_model)
    network.save_pretrained(tmp_path / "whole")
    network.double().train(False)
    rows = clips("clap")
    decibels_NKF = rows[0].view(ROWS, BANDS, FRAMES)
    with torch.no_grad():
        expected = network.audio_model(decibels_NKF.transpose(1, 2)[:, None]).pooler_output
    model = tower(encoder="clap", weights=str(tmp_path / "whole"))
    assert_close(features(model, rows), expected)


def test_claps_statistics_are_those_it_was_trained_with_in_training_too(tmp_path: Path) -> None:
    network = save_clap(tmp_path)
    model = tower(encoder="clap", weights=str(tmp_path))
    running = cast(model.init_running(2), torch.float64)
    model.encode(model.init_parameters([1, 2]), running, clips("clap", 2), training=True)
    mean_K = network.audio_encoder.batch_norm.running_mean
    assert_close(running["encoder.network.audio_encoder.batch_norm.running_mean"][1], mean_K)
    assert all(rows.is_floating_point() for rows in running.values())


@pytest.mark.parametrize("training", [False, True])
def test_ast_is_the_librarys_on_filled_up_frames(tmp_path: Path, training: bool) -> None:
    network = save_ast(tmp_path)
    rows = clips("ast")
    filled_NFK = torch.zeros(ROWS, 64, BANDS, dtype=torch.float64)
    filled_NFK[:, :FRAMES] = 0.5 * rows[0].view(ROWS, BANDS, FRAMES).transpose(1, 2)
    with torch.no_grad():
        expected = network(filled_NFK).pooler_output
    model = tower(encoder="ast", weights=str(tmp_path))
    assert_close(features(model, rows, training=training), expected)


@pytest.mark.parametrize("training", [False, True])
def test_wav2vec2_is_the_librarys_on_waveforms_of_variance_one(
    tmp_path: Path, training: bool
) -> None:
    network = save_wav2vec2(tmp_path)
    rows = clips("wav2vec2")
    waves = [(w - w.mean()) / (w.var(correction=0) + 1e-7).sqrt() for w in rows[0]]
    with torch.no_grad():
        expected = network(torch.stack(waves)).last_hidden_state.mean(dim=1)
    model = tower(encoder="wav2vec2", weights=str(tmp_path))
    assert_close(features(model, rows, training=training), expected)
    assert_close(features(model, 7 * rows + 3, training=training), expected, rtol=1e-4, atol=1e-6)


def test_conv_is_convolutions_and_both_kinds_of_pooling() -> None:
    model = tower(encoder="conv", hidden=(4, 8))
    parameters, rows = model.init_parameters([1]), clips("conv")
    x = rows[0].view(ROWS, 1, BANDS, FRAMES)
    for layer in (0, 3):
        weight, bias = (
            parameters[f"encoder.stages.{layer}.{part}"][0] for part in ("weight", "bias")
        )
        x = conv2d(x, weight, bias, stride=2, padding=1).clamp(min=0)
    assert x.shape == (ROWS, 8, BANDS // 4, 13)
    expected = [
        [
            sum(by_time := [float(channel[:, f].mean()) for f in range(13)]) / 13 + max(by_time)
            for channel in clip
        ]
        for clip in x
    ]
    assert_close(features(model, rows), torch.tensor(expected, dtype=torch.float64))


def test_a_head_alone_is_linear_norm_relu_linear() -> None:
    settings = TowersSettings(head_hidden=(7,), embed_dim=6, norm="layer")
    model = build_audio_tower(settings, (3, 4), AUDIO)
    parameters = model.init_parameters([5])
    rows = torch.randn(1, ROWS, 12, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    first, last = nn.Linear(12, 7, dtype=torch.float64), nn.Linear(7, 6, dtype=torch.float64)
    for name, linear in (("head.0", first), ("head.1", last)):
        linear.weight = nn.Parameter(parameters[f"{name}.weight"][0].T)
        linear.bias = nn.Parameter(parameters[f"{name}.bias"][0, 0])
    norm = nn.LayerNorm(7, dtype=torch.float64)
    assert torch.equal(model.encode(parameters, {}, rows, training=False), rows)
    expected = last(norm(first(rows[0])).relu())
    assert_close(model.project(parameters, {}, rows, training=False)[0], expected)
    assert model.members_at_once is None


@pytest.mark.parametrize(
    ("encoder", "takes", "shape"),
    [
        ("pooled_mel", "log_mel", (BANDS, FRAMES)),
        ("conv", "log_mel", (BANDS, FRAMES)),
        ("ast", "log_mel", (BANDS, FRAMES)),
        ("clap", "decibels", (BANDS, FRAMES)),
        ("wav2vec2", "waveform", (SAMPLES,)),
        ("yamnet", "waveform", (SAMPLES,)),
    ],
)
def test_every_encoder_says_what_it_takes(encoder: Any, takes: str, shape: tuple[int, ...]) -> None:
    settings = AudioTowerSettings(encoder=encoder)
    assert audio_input(settings) == takes
    assert audio_input_shape(settings, AUDIO) == shape


def test_trained_encoders_are_run_one_member_at_a_time() -> None:
    model = tower(encoder="conv")
    assert isinstance(model, ModuleModel)
    assert model.members_at_once == 1
