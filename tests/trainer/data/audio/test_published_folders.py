"""Published datasets, written tiny: clips, captions, splits and folds are read back."""

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.trainer.data.audio.sound_files import (
    write_audiocaps,
    write_clotho,
    write_esc,
    write_stamps,
    write_urbansound,
)
from trainer.audio_settings import AudioSettings
from trainer.data.audio.open_source import open_audio_source
from trainer.data.audio.source import AudioSource
from trainer.data.audio.tuxpaint import PACKAGE_FOLDER


def opened(source: str, folder: Path, **settings: Any) -> AudioSource:
    return open_audio_source(
        AudioSettings.model_validate({"source": source, "folder": str(folder), **settings})
    )


def splits_by_id(source: AudioSource) -> dict[str, str]:
    return {clip.id: clip.split for clip in source.clips}


@pytest.mark.parametrize("prefix", ["", "clotho_audio_"])
def test_clotho_has_its_three_splits_and_five_captions_each(tmp_path: Path, prefix: str) -> None:
    write_clotho(tmp_path, each=2, prefix=prefix)
    source = opened("clotho", tmp_path)
    assert source.sizes() == {"train": 2, "val": 2, "test": 2}
    clip = source.clips[source.positions("test")[1]]
    assert clip.id == "test/rain on a roof 1.wav"
    assert clip.captions["en"] == tuple(
        f"evaluation rain on a roof 1.wav, caption {i}" for i in range(1, 6)
    )
    assert clip.labels == ()
    assert source.class_names == {}


@pytest.mark.parametrize("name", ["{video}", "Y{video}", "{video}_{start}", "{number}"])
@pytest.mark.parametrize("inside", [None, "audio", "wav"])
def test_audiocaps_rows_of_one_video_are_captions_of_one_clip(
    tmp_path: Path, name: str, inside: str | None
) -> None:
    write_audiocaps(tmp_path, name=name, inside=inside)
    source = opened("audiocaps", tmp_path)
    assert splits_by_id(source) == {
        "v0_30": "train",
        "v1_30": "train",
        "v2_30": "val",
        "v3_30": "test",
    }
    assert [len(clip.captions["en"]) for clip in source.clips] == [1, 1, 5, 5]
    assert source.clips[3].captions["en"][4] == "v3 caption 4, with a comma"
    assert len(source.read(3)) == round(0.2 * 32_000)


@pytest.mark.parametrize("fold", range(1, 6))
def test_esc50_tests_on_one_fold_and_selects_on_the_next(tmp_path: Path, fold: int) -> None:
    write_esc(tmp_path)
    source = opened("esc50", tmp_path, fold=fold)
    val = fold % 5 + 1
    for clip in source.clips:
        own = int(clip.id[0])
        assert clip.split == {fold: "test", val: "val"}.get(own, "train")
    assert source.class_names["en"] == ("dog", "clock alarm")
    assert source.clips[1].labels == (1,)
    assert source.clips[1].captions["en"] == ("This is a sound of clock alarm",)


def test_without_a_fold_every_clip_is_a_test_clip(tmp_path: Path) -> None:
    write_esc(tmp_path)
    assert opened("esc50", tmp_path).sizes() == {"train": 0, "val": 0, "test": 10}


def test_esc10_is_the_marked_part_of_esc50(tmp_path: Path) -> None:
    write_esc(tmp_path)
    source = opened("esc10", tmp_path, fold=2)
    assert source.class_names["en"] == ("dog",)
    assert source.sizes() == {"train": 3, "val": 1, "test": 1}


@pytest.mark.parametrize("fold", [1, 10])
def test_urbansound8k_reads_each_fold_from_its_folder(tmp_path: Path, fold: int) -> None:
    write_urbansound(tmp_path)
    source = opened("urbansound8k", tmp_path, fold=fold)
    assert source.sizes() == {"train": 8, "val": 1, "test": 1}
    test, val = source.positions("test")[0], source.positions("val")[0]
    assert source.clips[test].id.endswith(f"-{fold}.wav")
    assert source.clips[val].id.endswith(f"-{fold % 10 + 1}.wav")
    assert source.class_names["en"] == ("air conditioner", "dog bark")
    assert all(source.read(position).numel() for position in range(10))


def test_stamps_are_real_sounds_with_captions_in_all_languages_asked_for(tmp_path: Path) -> None:
    write_stamps(tmp_path)
    shares = {"val_share": 0.3, "test_share": 0.3}
    source = opened("tuxpaint", tmp_path, languages=["fr", "en"], **shares)
    assert [clip.id for clip in source.clips] == [
        "animals/birds/crow.ogg",
        "animals/mammals/dog.ogg",
        "vehicles/train.wav",
    ]
    assert source.clips[0].captions == {"fr": ("Un corbeau.",), "en": ("A crow.",)}
    assert source.class_names["en"] == ("animals", "vehicles")
    assert [clip.labels for clip in source.clips] == [(0,), (0,), (1,)]
    assert source.sizes() == {"train": 1, "val": 1, "test": 1}
    english = opened("tuxpaint", tmp_path, **shares)
    assert "household/kettle.ogg" in splits_by_id(english)


def test_regional_locales_are_further_captions_of_their_language(tmp_path: Path) -> None:
    write_stamps(tmp_path)
    (tmp_path / "animals/mammals/dog.txt").write_text("A dog.\npt_BR.utf8=Um cão.\n", "utf-8")
    (tmp_path / "vehicles/train.txt").write_text("A train.\npt.utf8=Um trem.\n", "utf-8")
    shares = {"val_share": 0.3, "test_share": 0.3}
    source = opened("tuxpaint", tmp_path, languages=["pt"], **shares)
    assert source.clips[0].captions["pt"] == ("Um corvo.", "Uma gralha.")


@pytest.mark.skipif(
    not PACKAGE_FOLDER.is_dir(), reason="needs apt-get install tuxpaint-stamps-default"
)
def test_debians_stamps_have_captions_in_six_languages() -> None:
    languages = ("en", "de", "fr", "es", "ru", "zh")
    source = opened("tuxpaint", PACKAGE_FOLDER, languages=languages)
    assert len(source.clips) > 90
    assert min(source.sizes().values()) >= 5
    for clip in source.clips:
        assert tuple(clip.captions) == languages
        assert all(text for texts in clip.captions.values() for text in texts)
    waveform = source.read(0)
    assert waveform.dtype == torch.float32
    assert waveform.abs().max() > 0.01


@pytest.mark.parametrize(
    ("source", "write"),
    [
        ("clotho", write_clotho),
        ("audiocaps", write_audiocaps),
        ("esc50", write_esc),
        ("urbansound8k", write_urbansound),
    ],
)
def test_labels_captions_and_splits_are_known_without_decoding(
    tmp_path: Path, source: str, write: Callable[[Path], None]
) -> None:
    write(tmp_path)
    for path in tmp_path.rglob("*.wav"):
        path.write_bytes(b"")
    assert opened(source, tmp_path).clips


def test_a_limit_keeps_so_many_of_each_split_and_the_same_ones(tmp_path: Path) -> None:
    write_clotho(tmp_path, each=5)
    everything, some = opened("clotho", tmp_path), opened("clotho", tmp_path, limit=3)
    assert some.sizes() == {"train": 3, "val": 3, "test": 3}
    assert splits_by_id(some).items() <= splits_by_id(everything).items()
    assert splits_by_id(opened("clotho", tmp_path, limit=3)) == splits_by_id(some)
    assert splits_by_id(opened("clotho", tmp_path, limit=3, split_seed=1)) != splits_by_id(some)


def test_missing_files_can_be_skipped(tmp_path: Path) -> None:
    write_audiocaps(tmp_path)
    (tmp_path / "train" / "v1.wav").unlink()
    assert "v1_30" not in splits_by_id(opened("audiocaps", tmp_path, missing="skip"))


def test_a_source_can_be_sent_to_another_process(tmp_path: Path) -> None:
    write_esc(tmp_path)
    source = opened("esc50", tmp_path, fold=1)
    sent = pickle.loads(pickle.dumps(source))
    assert sent == source
    assert torch.equal(sent.read(2), source.read(2))
    assert sent.digest() == source.digest()
