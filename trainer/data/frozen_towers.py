"""Features of the encoders that stay as they are, for all clips of a source or all captions.

What a network makes of them is cached on disk, under a key of encoder, weights, clips or
captions, settings and dtype. Without ``weights`` a frozen encoder's are drawn by the split's
seed: all replicates share them.

Shape legend: N = clips, T = captions, C = features, K = mel bands, X = frames, L = places of a
row of token ids.
"""

from collections.abc import Iterator, Sequence
from typing import assert_never

import torch
from torch import Tensor

from trainer.audio_settings import AudioSettings
from trainer.data.audio.log_mel import LogMels, clip_key, load_log_mels, read_fitted
from trainer.data.audio.pooled_mel import pool_log_mels
from trainer.data.audio.source import AudioSource
from trainer.data.audio.yamnet import encode_clips, yamnet_version
from trainer.data.digests import digest_folder, digest_tensors, digest_texts
from trainer.data.frozen_network import FrozenNetwork, cache_rows
from trainer.data.text.hub_tokens import TOKENIZER_FILES, hub_token_ids
from trainer.data.text.sentence_encoder import encode_sentences, sentence_encoder_version
from trainer.data.text.word_hash import hash_words
from trainer.data.text.words import Vocabulary
from trainer.models.audio_tower import build_audio_tower
from trainer.models.audio_tower_check import check_audio_tower
from trainer.models.protocol import SingleModel
from trainer.models.text_tower import build_text_tower
from trainer.models.text_tower_check import check_text_tower
from trainer.models.tower_inputs import audio_input, audio_input_shape
from trainer.models.weights_folder import find_folder
from trainer.tower_settings import TowersSettings

_CLIPS_AT_ONCE = 32
_CAPTIONS_AT_ONCE = 256


def audio_features(
    source: AudioSource,
    settings: AudioSettings,
    towers: TowersSettings,
    device: torch.device,
    dtype: torch.dtype,
) -> Tensor:
    """Return what the audio encoder makes of every clip of a source, (N, C), on the CPU.

    Args:
        source: Opened with ``settings``.
        settings: How clips are heard.
        towers: The audio encoder is one that stays as it is.
        device: Where spectrograms and networks are computed (YAMNet: on the CPU).
        dtype: Of computing, storing and of what is returned.

    Raises:
        ModelSettingsError: If there is no such encoder for such clips.
        BadClipError: If a recording cannot be read.
        FeatureCacheError: If spectrograms or features cannot be stored.
    """
    own, clips = towers.audio, len(source.clips)
    assert own.is_fixed, "encoders that are trained see clips, not features"
    check_audio_tower(own, settings)
    match own.encoder:
        case "pooled_mel":
            spectrograms = _spectrograms(load_log_mels(source, settings, device), device)
            pooled = [pool_log_mels(batch, own.segments) for batch in spectrograms]
            return torch.cat(pooled).to("cpu", dtype)
        case "yamnet":
            facts = {"yamnet": yamnet_version(), "clips": clip_key(source, settings)}
            waveforms = (read_fitted(source, position, settings) for position in range(clips))
            return cache_rows(facts, clips, dtype, lambda: encode_clips(waveforms))
        case "conv" | "clap" | "ast" | "wav2vec2":
            return _encode_source(source, settings, towers, device, dtype)
        case unreachable:
            assert_never(unreachable)


def text_features(
    captions: Sequence[str],
    towers: TowersSettings,
    device: torch.device,
    dtype: torch.dtype,
    *,
    split_seed: int = 0,
    train_captions: Sequence[str] | None = None,
) -> Tensor:
    """Return what the text encoder makes of every caption, (T, C), on the CPU.

    Args:
        captions: In any languages.
        towers: The text encoder is one that stays as it is.
        device: Where a network computes (the sentence encoder: on the CPU).
        dtype: Of computing, storing and of what is returned.
        split_seed: Draws the weights of a frozen ``transformer``.
        train_captions: What the words of a frozen ``transformer`` are taken from; ``captions``
            without.

    Raises:
        ModelSettingsError: If there is no such encoder.
        FeatureCacheError: If features cannot be stored.
    """
    own = towers.text
    assert own.is_fixed, "encoders that are trained see token ids, not features"
    check_text_tower(own)
    match own.encoder:
        case "word_hash":
            return hash_words(captions, own.buckets).to(dtype)
        case "use":
            facts = {"use": sentence_encoder_version(), "captions": digest_texts(captions)}
            return cache_rows(facts, len(captions), dtype, lambda: encode_sentences(captions))
        case "transformer":
            words = Vocabulary.of(captions if train_captions is None else train_captions)
            network = FrozenNetwork.draw(_text_tower(towers, words.size), split_seed)
            ids_TL = words.ids(captions, own.tokens)
            facts = {"network": network.digest(), "ids": digest_tensors({"ids": ids_TL})}
            batches = torch.split(ids_TL, _CAPTIONS_AT_ONCE)
            return cache_rows(
                facts, len(captions), dtype, lambda: network.encode(batches, device, dtype)
            )
        case "roberta" | "xlm_roberta" | "bert":
            return _encode_captions(captions, towers, device, dtype)
        case unreachable:
            assert_never(unreachable)


def _encode_source(
    source: AudioSource,
    settings: AudioSettings,
    towers: TowersSettings,
    device: torch.device,
    dtype: torch.dtype,
) -> Tensor:
    """Return the features of a network of our own or of transformers."""
    own, takes = towers.audio, audio_input(towers.audio)
    facts: dict[str, object] = {"encoder": own.encoder, "clips": clip_key(source, settings)}
    log_mels = None
    if takes != "waveform":
        log_mels = load_log_mels(source, settings, device)
        facts["mel"] = settings.mel.model_dump(mode="json")
        facts["scale"] = (log_mels.mean, log_mels.std) if takes == "log_mel" else None
    if own.weights is not None:
        facts["weights"] = digest_folder(find_folder(own.weights, "audio.weights"))
    else:
        # Layer and group norm have the same weights, and other features.
        facts |= {"weights": _audio_network(towers, settings).digest(), "norm": towers.norm}

    def build() -> Iterator[Tensor]:
        batches = (
            _waveforms(source, settings)
            if log_mels is None
            else _spectrograms(log_mels, device, is_standardised=takes == "log_mel")
        )
        rows = (batch.flatten(1) for batch in batches)
        return _audio_network(towers, settings).encode(rows, device, dtype)

    return cache_rows(facts, len(source.clips), dtype, build)


def _encode_captions(
    captions: Sequence[str], towers: TowersSettings, device: torch.device, dtype: torch.dtype
) -> Tensor:
    """Return the features of a network of transformers, by its own tokenizer."""
    own = towers.text
    assert own.weights is not None, "checked"
    facts = {
        "encoder": own.encoder,
        "weights": digest_folder(find_folder(own.weights, "text.weights"), TOKENIZER_FILES),
        "captions": digest_texts(captions),
        "tokens": own.tokens,
    }

    def build() -> Iterator[Tensor]:
        batches = torch.split(hub_token_ids(own, captions), _CAPTIONS_AT_ONCE)
        network = FrozenNetwork.draw(_text_tower(towers, 0), 0)
        return network.encode(batches, device, dtype)

    return cache_rows(facts, len(captions), dtype, build)


def _audio_network(towers: TowersSettings, settings: AudioSettings) -> FrozenNetwork:
    trained = towers.audio.model_copy(update={"frozen": False})
    shape = audio_input_shape(trained, settings)
    tower = build_audio_tower(towers.model_copy(update={"audio": trained}), shape, settings)
    return FrozenNetwork.draw(tower, settings.split_seed)


def _text_tower(towers: TowersSettings, vocabulary: int) -> SingleModel:
    trained = towers.text.model_copy(update={"frozen": False})
    of_both = towers.model_copy(update={"text": trained})
    return build_text_tower(of_both, (trained.tokens,), vocabulary)


def _spectrograms(
    log_mels: LogMels, device: torch.device, *, is_standardised: bool = True
) -> Iterator[Tensor]:
    """Yield batches (B, K, X) of all clips, in decibels or standardised."""
    for positions in torch.split(torch.arange(len(log_mels.log_mels_NKF)), _CLIPS_AT_ONCE):
        batch_BKX = log_mels.take(positions, device)
        yield log_mels.standardise(batch_BKX) if is_standardised else batch_BKX


def _waveforms(source: AudioSource, settings: AudioSettings) -> Iterator[Tensor]:
    """Yield batches (B, samples) of all clips."""
    for positions in torch.split(torch.arange(len(source.clips)), _CLIPS_AT_ONCE):
        yield torch.stack([read_fitted(source, int(p), settings) for p in positions])
