"""From settings to clips and captions on their device, as the two encoders take them.

Shape legend: N = clips of a source or split, T = captions, F = flat inputs of an encoder.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from trainer.audio_settings import AudioSettings
from trainer.data.audio.log_mel import load_log_mels
from trainer.data.audio.open_source import open_audio_source
from trainer.data.audio.prompts import prompts
from trainer.data.audio.source import SPLITS, AudioSource, Split
from trainer.data.audio.waveforms import load_waveforms
from trainer.data.clip_rows import FeatureRows, LogMelRows, WaveformRows
from trainer.data.frozen_rows import caption_rows
from trainer.data.frozen_towers import audio_features
from trainer.data.hard_negatives import HardNegatives, Namesakes
from trainer.data.pair_data import Captions, ClipRows, PairData, PairSplit
from trainer.data.pair_facts import count_classes, label_of
from trainer.data.text_inputs import prepare_texts
from trainer.models.tower_inputs import audio_input
from trainer.tower_settings import TowersSettings


@dataclass(frozen=True, slots=True)
class _Written:
    """The captions of a split, as text."""

    texts: tuple[str, ...]
    clip_T: tuple[int, ...]
    language_T: tuple[int, ...]


def load_pairs(
    settings: AudioSettings, towers: TowersSettings, device: torch.device, dtype: torch.dtype
) -> PairData:
    """Load clips and captions for two towers.

    Raises:
        DataError: As :func:`trainer.data.audio.open_source.open_audio_source`; if a recording
            cannot be read; if train has no clip.
        FeatureCacheError: If the cache cannot be stored.
        ModelSettingsError: If weights cannot be loaded.
    """
    source = open_audio_source(settings)
    written = {split: _captions_of(source, split) for split in SPLITS}
    asked = {
        language: prompts(names, language)
        for language, names in source.class_names.items()
        if language in source.languages
    }
    lists = [w.texts for w in written.values()] + list(asked.values())
    everything = [text for texts in lists for text in texts]
    prepared = prepare_texts(
        everything, written["train"].texts, towers, settings.split_seed, device, dtype
    )
    lengths = [len(texts) for texts in lists]
    texts = dict(zip([*SPLITS, *asked], torch.split(prepared.inputs_TF, lengths), strict=True))
    splits = {s: _split(source, s, written[s], texts[s], device) for s in SPLITS}
    is_features = not prepared.vocabulary
    return PairData(
        clips=_clip_rows(source, settings, towers, device, dtype),
        splits=splits,
        languages=source.languages,
        prompts={language: texts[language] for language in asked},
        class_count=count_classes(source),
        vocabulary=prepared.vocabulary,
        train_texts=written["train"].texts,
        hard_negatives=_hard_negatives(settings, splits, written["train"], is_features=is_features),
        settings=settings,
    )


def _captions_of(source: AudioSource, split: Split) -> _Written:
    rows = [
        (text, number, source.languages.index(language))
        for number, position in enumerate(source.positions(split))
        for language, texts in source.clips[position].captions.items()
        for text in texts
    ]
    texts, clips, languages = zip(*rows, strict=True) if rows else ((), (), ())
    return _Written(texts, clips, languages)


def _clip_rows(
    source: AudioSource,
    settings: AudioSettings,
    towers: TowersSettings,
    device: torch.device,
    dtype: torch.dtype,
) -> ClipRows:
    if towers.audio.is_fixed:
        features_NF = audio_features(source, settings, towers, device, dtype)
        return FeatureRows(features_NF.to(device, dtype))
    takes = audio_input(towers.audio)
    if takes == "waveform":
        return WaveformRows(load_waveforms(source, settings), settings, device, dtype)
    log_mels = load_log_mels(source, settings, device)
    return LogMelRows(log_mels, takes == "log_mel", settings, device, dtype)


def _hard_negatives(
    settings: AudioSettings,
    splits: Mapping[Split, PairSplit],
    train: _Written,
    *,
    is_features: bool,
) -> HardNegatives | None:
    if not settings.hard_negatives:
        return None
    rows_NC = caption_rows(splits["train"].captions, train.texts, is_features=is_features)
    return HardNegatives(settings.hard_negatives, rows_NC, Namesakes.of(train.texts, train.clip_T))


def _split(
    source: AudioSource, split: Split, written: _Written, inputs_TF: Tensor, device: torch.device
) -> PairSplit:
    positions = source.positions(split)
    labels = [label_of(source.clips[position].labels) for position in positions]
    captions = Captions.of(
        inputs_TF,
        torch.tensor(written.clip_T, dtype=torch.int64, device=device),
        torch.tensor(written.language_T, dtype=torch.int64, device=device),
    )
    return PairSplit(
        positions_N=torch.tensor(positions, dtype=torch.int64, device=device),
        labels_N=torch.tensor(labels, dtype=torch.int64, device=device),
        captions=captions,
    )
