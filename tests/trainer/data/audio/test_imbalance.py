"""Imbalanced train clips of sources with classes: shares, what stays, what is refused."""

from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest

from tests.trainer.data.audio.sound_files import write_csv, write_sound
from trainer.audio_settings import AudioSettings
from trainer.data.audio.open_source import open_audio_source
from trainer.data.audio.source import AudioSource
from trainer.errors import DataSettingsError

CLASSES = ("bell", "drum", "flute")
EACH = 20


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("classes")
    write_sound(path / "one.wav", seconds=0.05)
    rows = []
    for split, count in (("train", EACH), ("val", 4), ("test", 4)):
        for name in CLASSES:
            rows += [
                ("one.wav", f"{split}/{name}/{n}", f"a {name}", split, name) for n in range(count)
            ]
    write_csv(path / "manifest.csv", ("path", "id", "caption", "split", "class"), rows)
    return path


def opened(folder: Path, **given: object) -> AudioSource:
    settings = {"source": "manifest", "folder": str(folder), **given}
    return open_audio_source(AudioSettings.model_validate(settings))


def counts(source: AudioSource, split: str) -> list[int]:
    found = Counter(clip.labels[0] for clip in source.clips if clip.split == split)
    return [found[label] for label in range(len(CLASSES))]


@pytest.mark.parametrize(
    ("imbalance", "expected"),
    [(1, [20, 20, 20]), (4, [20, 10, 5]), (10, [20, 6, 2]), (100, [20, 2, 1])],
)
def test_train_classes_shrink_geometrically_and_the_others_stay(
    folder: Path, imbalance: float, expected: list[int]
) -> None:
    source = opened(folder, imbalance=imbalance)
    assert counts(source, "train") == expected
    assert counts(source, "val") == counts(source, "test") == [4, 4, 4]
    assert len(source.recordings.fingerprint(len(source.clips) - 1)) > 0


def test_what_more_imbalance_keeps_less_has_kept_too(folder: Path) -> None:
    kept = [{clip.id for clip in opened(folder, imbalance=i).clips} for i in (1, 4, 10, 100)]
    for more, fewer in pairwise(kept):
        assert fewer < more
    other = {clip.id for clip in opened(folder, imbalance=10, split_seed=1).clips}
    assert other != kept[2]
    assert {clip.id for clip in opened(folder, imbalance=10).clips} == kept[2]


def test_the_limit_comes_first(folder: Path) -> None:
    source = opened(folder, imbalance=4, limit=30)
    assert sum(counts(source, "train")) < 30
    assert sum(counts(source, "test")) == 12


def test_clips_of_no_class_are_refused(tmp_path: Path) -> None:
    write_sound(tmp_path / "one.wav", seconds=0.05)
    rows = [("one.wav", str(n), "a bell", "train", "bell;drum" if n else "bell") for n in range(3)]
    write_csv(tmp_path / "manifest.csv", ("path", "id", "caption", "split", "class"), rows)
    with pytest.raises(
        DataSettingsError, match="expected one class for every train clip, but 2 of 3"
    ):
        opened(tmp_path, imbalance=2)


def test_general_midi_says_which_setting_it_has_instead(tmp_path: Path) -> None:
    font = tmp_path / "font.sf2"
    font.write_bytes(b"never read")
    settings = AudioSettings.model_validate(
        {"imbalance": 10, "general_midi": {"soundfont": str(font)}}
    )
    with pytest.raises(DataSettingsError, match=r"general_midi\.imbalance; give that instead"):
        open_audio_source(settings)
