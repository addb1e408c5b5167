"""CLAP's audio encoder (HTSAT), AST and wav2vec 2.0 of Hugging Face transformers.

All dropout is off, and with it what wav2vec 2.0 hides of a clip and the layers it skips: members
draw no random numbers while they train.

Shape legend: N = clips, K = mel bands, F = frames, L = samples, T = tokens, C = features.

References:
    Wu et al. 2023, arXiv:2211.06687 (CLAP); Chen et al. 2022, arXiv:2202.00874 (HTSAT);
    Gong et al. 2021, arXiv:2104.01778 (AST); Baevski et al. 2020, arXiv:2006.11477 (wav2vec 2.0).
"""

from pathlib import Path
from typing import Any, Literal, assert_never

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from trainer.models.hub_encoder import NO_DROPOUT, Network, import_transformers, load_network
from trainer.models.tower_head import TowerEncoder
from trainer.models.weights_folder import find_folder, read_config

FIELD = "audio.weights"
_AST_DEVIATION = 0.5
_VARIANCE_EPS = 1e-7
_WAV2VEC2_STILL = {
    "hidden_dropout": 0.0,
    "activation_dropout": 0.0,
    "attention_dropout": 0.0,
    "feat_proj_dropout": 0.0,
    "layerdrop": 0.0,
    "apply_spec_augment": False,
    "mask_time_prob": 0.0,
    "mask_feature_prob": 0.0,
}


class FixedNorm(nn.Module):
    """A batch norm that keeps its statistics while its gain and shift are trained.

    Not torch's in evaluation mode: given CLAP's input [N, K, F, 1], its gradients (torch 2.13, on
    the CPU) are wrong wherever the strides of input and gradient differ.
    """

    def __init__(self, norm: nn.BatchNorm2d) -> None:
        super().__init__()
        self.weight, self.bias, self.eps = norm.weight, norm.bias, norm.eps
        self.register_buffer("running_mean", norm.running_mean)
        self.register_buffer("running_var", norm.running_var)

    def forward(self, x_NKF1: Tensor) -> Tensor:
        """Return the input, normalised by band."""
        mean_K, var_K = self.get_buffer("running_mean"), self.get_buffer("running_var")
        gain_K = self.weight * (var_K + self.eps).rsqrt()
        shift_K = self.bias - mean_K * gain_K
        return x_NKF1 * gain_K[:, None, None] + shift_K[:, None, None]


class PooledClap(TowerEncoder):
    """CLAP's audio encoder: spectrograms in decibels [N, K, F] to pooled features [N, C].

    The batch norm of its input keeps the statistics of the data it was trained on. Clips are
    never longer than it takes, so that its fusion of parts has nothing to do.
    """

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network
        self.network.audio_encoder.batch_norm = FixedNorm(network.audio_encoder.batch_norm)
        self.width = network.audio_encoder.num_features

    def forward(self, decibels_NKF: Tensor) -> Tensor:
        """Return pooled features; fewer frames than the encoder has are stretched by it."""
        input_N1FK = decibels_NKF.transpose(1, 2)[:, None]
        is_longer_N1 = torch.zeros(len(input_N1FK), 1, dtype=torch.bool, device=input_N1FK.device)
        pooled_NC: Tensor = self.network(input_N1FK, is_longer=is_longer_N1).pooler_output
        return pooled_NC


class PooledAst(TowerEncoder):
    """AST: standardised log-mel spectrograms [N, K, F] to the mean of its two class tokens.

    Its authors divide by twice the deviation. Fewer frames than it was made for are filled up
    with zeros, the mean.
    """

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network
        self.width = network.config.hidden_size

    def forward(self, log_mels_NKF: Tensor) -> Tensor:
        """Return the mean of class and distillation token."""
        missing = self.network.config.max_length - log_mels_NKF.shape[2]
        input_NFK = pad(log_mels_NKF * _AST_DEVIATION, (0, missing)).transpose(1, 2)
        pooled_NC: Tensor = self.network(input_NFK).pooler_output
        return pooled_NC


class PooledWav2Vec2(TowerEncoder):
    """wav2vec 2.0: waveforms [N, L] to the mean of its outputs over time, [N, C].

    Every waveform is brought to mean 0 and variance 1 first, as its feature extractor does.
    """

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network
        self.width = network.config.hidden_size

    def forward(self, waveforms_NL: Tensor) -> Tensor:
        """Return the mean over time."""
        variance_N1, mean_N1 = torch.var_mean(waveforms_NL, dim=1, correction=0, keepdim=True)
        standard_NL = (waveforms_NL - mean_N1) / (variance_N1 + _VARIANCE_EPS).sqrt()
        tokens_NTC: Tensor = self.network(standard_NL).last_hidden_state
        return tokens_NTC.mean(dim=1)


def load_hub_audio(encoder: Literal["clap", "ast", "wav2vec2"], weights: str) -> TowerEncoder:
    """Load an encoder in float64; call :func:`trainer.models.tower_checks.check_towers` first.

    Raises:
        ModelSettingsError: If the weights in the folder are not those of the encoder.
    """
    library, folder = import_transformers(), find_folder(weights, FIELD)
    match encoder:
        case "clap":
            return PooledClap(_load_clap(library, folder))
        case "ast":
            return PooledAst(load_network(library.ASTModel, library.ASTConfig, folder, field=FIELD))
        case "wav2vec2":
            network, config = library.Wav2Vec2Model, library.Wav2Vec2Config
            return PooledWav2Vec2(
                load_network(network, config, folder, field=FIELD, changes=_WAV2VEC2_STILL)
            )
        case unreachable:
            assert_never(unreachable)


def _load_clap(library: Any, folder: Path) -> Network:
    """Load the audio encoder, out of a whole CLAP where the folder holds one."""
    config, changes = library.ClapAudioConfig, {**NO_DROPOUT, "drop_path_rate": 0.0}
    if read_config(folder, FIELD).get("model_type") == "clap_audio_model":
        return load_network(library.ClapAudioModel, config, folder, field=FIELD, changes=changes)
    whole = library.ClapAudioModelWithProjection
    return load_network(whole, config, folder, field=FIELD, changes=changes).audio_model
