"""manifest: any folder of sounds, with the columns it documents."""

from pathlib import Path
from typing import Any

import pytest

from tests.trainer.data.audio.sound_files import write_manifest
from trainer.audio_settings import AudioSettings
from trainer.data.audio.open_source import open_audio_source
from trainer.data.audio.source import AudioSource
from trainer.errors import BadClipError, BadSourceError, DataSettingsError

ROWS: list[dict[str, object]] = [
    {"path": "a.wav", "caption": "rain", "caption_fr": "la pluie", "split": "train"},
    {"path": "deep/b.flac", "caption": "a dog", "caption_fr": "un chien", "split": "val"},
    {"path": "c.ogg", "caption": "a bell", "caption_fr": "une cloche", "split": "test"},
]


def opened(folder: Path, **settings: Any) -> AudioSource:
    return open_audio_source(
        AudioSettings.model_validate({"source": "manifest", "folder": str(folder), **settings})
    )


def with_column(name: str, *values: object) -> list[dict[str, object]]:
    return [row | {name: value} for row, value in zip(ROWS, values, strict=True)]


def test_a_manifest_names_paths_captions_and_splits(tmp_path: Path) -> None:
    write_manifest(tmp_path, ROWS)
    source = opened(tmp_path, languages=["fr", "en"])
    assert [(clip.id, clip.split) for clip in source.clips] == [
        ("a.wav", "train"),
        ("deep/b.flac", "val"),
        ("c.ogg", "test"),
    ]
    assert source.clips[1].captions == {"fr": ("un chien",), "en": ("a dog",)}
    assert all(len(source.read(position)) == 6400 for position in range(3))


def test_languages_that_are_not_asked_for_are_left_out(tmp_path: Path) -> None:
    write_manifest(tmp_path, ROWS)
    assert tuple(opened(tmp_path).clips[0].captions) == ("en",)


def test_numbered_columns_are_further_captions_and_may_be_empty(tmp_path: Path) -> None:
    write_manifest(tmp_path, with_column("caption_2", "heavy rain", "", "a church bell"))
    clips = opened(tmp_path).clips
    assert [clip.captions["en"] for clip in clips] == [
        ("rain", "heavy rain"),
        ("a dog",),
        ("a bell", "a church bell"),
    ]


def test_classes_are_numbered_in_sorted_order_and_may_be_several(tmp_path: Path) -> None:
    write_manifest(tmp_path, with_column("class", "weather", "animal; weather", "metal"))
    source = opened(tmp_path)
    assert source.class_names == {"en": ("animal", "metal", "weather")}
    assert [clip.labels for clip in source.clips] == [(2,), (0, 2), (1,)]


def test_a_manifest_without_splits_is_split_by_seed(tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [{"path": f"{i}.wav", "caption": "x"} for i in range(20)]
    write_manifest(tmp_path, rows)
    shares = {"val_share": 0.2, "test_share": 0.3}
    source = opened(tmp_path, **shares)
    assert source.sizes() == {"train": 10, "val": 4, "test": 6}
    assert opened(tmp_path, **shares).clips == source.clips
    assert opened(tmp_path, split_seed=1, **shares).clips != source.clips
    with pytest.raises(DataSettingsError, match=r"data\.test_share: .*no splits of its own"):
        opened(tmp_path, val_share=0.2)


def test_shares_are_refused_for_a_manifest_with_splits(tmp_path: Path) -> None:
    write_manifest(tmp_path, ROWS)
    with pytest.raises(DataSettingsError, match=r"data\.val_share: manifest does not take it"):
        opened(tmp_path, val_share=0.2)


def test_an_empty_caption_names_file_and_row(tmp_path: Path) -> None:
    rows = [dict(row) for row in ROWS]
    rows[1]["caption_fr"] = "  "
    write_manifest(tmp_path, rows)
    with pytest.raises(BadClipError, match=r"manifest\.csv:3: expected a caption, got an empty"):
        opened(tmp_path, languages=["fr"])
    assert len(opened(tmp_path).clips) == 3


def test_an_unknown_split_names_file_and_row(tmp_path: Path) -> None:
    rows = [dict(row) for row in ROWS]
    rows[2]["split"] = "eval"
    write_manifest(tmp_path, rows)
    with pytest.raises(BadClipError, match=r"manifest\.csv:4: .*train, val or test, got 'eval'"):
        opened(tmp_path)


def test_a_missing_file_names_file_and_row(tmp_path: Path) -> None:
    write_manifest(tmp_path, ROWS)
    (tmp_path / "c.ogg").unlink()
    with pytest.raises(BadClipError, match=r"manifest\.csv:4: expected the file .*c\.ogg, there"):
        opened(tmp_path)


def test_duplicate_ids_name_both_rows(tmp_path: Path) -> None:
    write_manifest(tmp_path, with_column("id", "one", "two", "one"))
    with pytest.raises(BadClipError, match=r"manifest\.csv:4: .*'one'.*manifest\.csv:2"):
        opened(tmp_path)


def test_a_declared_sample_rate_must_be_the_files(tmp_path: Path) -> None:
    write_manifest(tmp_path, with_column("sample_rate_hz", 44100, 16000, ""))
    source = opened(tmp_path)
    source.read(0)
    source.read(2)
    with pytest.raises(
        BadClipError, match=r"b\.flac \(manifest\.csv:3\): expected .* 16000 Hz, .* 44100 Hz"
    ):
        source.read(1)


def test_a_rate_declared_for_all_files_holds_where_a_row_declares_none(tmp_path: Path) -> None:
    write_manifest(tmp_path, with_column("sample_rate_hz", 44100, 44100, ""))
    source = opened(tmp_path, file_rate_hz=48_000)
    source.read(0)
    with pytest.raises(BadClipError, match=r"manifest\.csv:4\): expected .* 48000 Hz"):
        source.read(2)


@pytest.mark.parametrize(
    ("column", "message"),
    [
        pytest.param("caption_klingon", "got 'klingon'", id="a-name-not-a-code"),
        pytest.param("caption_xx", "got 'xx'", id="no-such-code"),
    ],
)
def test_a_column_in_an_unknown_language_is_refused(
    tmp_path: Path, column: str, message: str
) -> None:
    write_manifest(tmp_path, with_column(column, "a", "b", "c"))
    with pytest.raises(BadSourceError, match=rf"manifest\.csv:1: column '{column}'.*{message}"):
        opened(tmp_path)


def test_two_columns_for_the_same_caption_are_refused(tmp_path: Path) -> None:
    write_manifest(tmp_path, with_column("caption_en", "a", "b", "c"))
    with pytest.raises(BadSourceError, match="'caption' and 'caption_en' both are caption 1 in en"):
        opened(tmp_path)


def test_a_language_without_a_column_is_refused(tmp_path: Path) -> None:
    write_manifest(tmp_path, ROWS)
    with pytest.raises(DataSettingsError, match=r"languages: .* captions in en, fr, got 'zh'"):
        opened(tmp_path, languages=["en", "zh"])


def test_names_of_files_may_begin_with_a_space(tmp_path: Path) -> None:
    write_manifest(tmp_path, [{"path": " a.wav", "caption": " rain ", "split": "test"}])
    source = opened(tmp_path)
    assert source.clips[0].captions["en"] == ("rain",)
    assert len(source.read(0)) == 6400
