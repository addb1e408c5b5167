"""What is refused says which file and row it stands in, or what to get."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile  # type: ignore[import-untyped]

from tests.trainer.data.audio.sound_files import (
    write_audiocaps,
    write_clotho,
    write_csv,
    write_esc,
    write_sound,
    write_stamps,
)
from trainer.audio_settings import AudioSettings
from trainer.data.audio.open_source import open_audio_source
from trainer.data.audio.source import AudioSource
from trainer.errors import (
    BadClipError,
    BadSourceError,
    DataSettingsError,
    MissingSourceError,
)


def opened(source: str, folder: Path | None, **settings: Any) -> AudioSource:
    given = {"source": source, "folder": folder and str(folder), **settings}
    return open_audio_source(AudioSettings.model_validate(given))


@pytest.mark.parametrize(
    ("source", "how_to_get"),
    [
        ("tuxpaint", "apt-get install tuxpaint-stamps-default"),
        ("audiocaps", r"github\.com/cdjkim/audiocaps"),
        ("clotho", r"zenodo\.org/records/4783391"),
        ("esc50", r"github\.com/karolpiczak/ESC-50"),
        ("esc10", r"github\.com/karolpiczak/ESC-50"),
        ("urbansound8k", r"zenodo\.org/records/1203745"),
        ("manifest", r"manifest\.csv: columns path"),
    ],
)
def test_a_missing_source_says_how_to_get_it(tmp_path: Path, source: str, how_to_get: str) -> None:
    with pytest.raises(MissingSourceError, match=rf"no folder .*nowhere.*{how_to_get}"):
        opened(source, tmp_path / "nowhere")
    if source != "tuxpaint":
        with pytest.raises(MissingSourceError, match=rf"none is given.*{how_to_get}"):
            opened(source, None)


def test_an_empty_folder_names_the_first_file_it_lacks(tmp_path: Path) -> None:
    for source, lacking in (
        ("audiocaps", "train.csv"),
        ("clotho", "clotho_captions_development.csv"),
        ("esc50", "meta/esc50.csv"),
        ("urbansound8k", "metadata/UrbanSound8K.csv"),
        ("manifest", "manifest.csv"),
    ):
        with pytest.raises(MissingSourceError, match=f"no file .*{lacking}"):
            opened(source, tmp_path)
    with pytest.raises(BadSourceError, match="holds no stamps"):
        opened("tuxpaint", tmp_path)


def test_a_relative_folder_is_refused() -> None:
    with pytest.raises(DataSettingsError, match="absolute path of a folder, got 'sounds'"):
        opened("clotho", Path("sounds"))


def test_broken_audio_names_the_file_and_the_row(tmp_path: Path) -> None:
    write_clotho(tmp_path)
    (tmp_path / "validation" / "rain on a roof 1.wav").write_bytes(b"RIFF, but no sound")
    source = opened("clotho", tmp_path)
    row = r"roof 1\.wav \(clotho_captions_validation\.csv:3\): expected a sound file"
    with pytest.raises(BadClipError, match=row):
        source.read(source.positions("val")[1])


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        pytest.param(np.zeros((0, 1)), "got no samples", id="empty"),
        pytest.param(np.array([[0.1], [np.nan]]), "got NaN or infinity", id="not-finite"),
    ],
)
def test_sounds_without_finite_samples_are_refused(
    tmp_path: Path, samples: np.ndarray[Any, Any], message: str
) -> None:
    write_clotho(tmp_path)
    soundfile.write(tmp_path / "development/rain on a roof 0.wav", samples, 44100, "FLOAT")
    with pytest.raises(BadClipError, match=rf"clotho_captions_development\.csv:2\): .*{message}"):
        opened("clotho", tmp_path).read(0)


def test_a_file_that_vanished_after_opening_is_named(tmp_path: Path) -> None:
    write_esc(tmp_path)
    source = opened("esc50", tmp_path)
    (tmp_path / "audio" / source.clips[0].id).unlink()
    for act in (source.read, source.recordings.fingerprint):
        with pytest.raises(BadClipError, match=r"1-100-A-0\.wav \(esc50\.csv:2\)"):
            act(0)


def test_an_empty_caption_of_clotho_names_its_row(tmp_path: Path) -> None:
    write_clotho(tmp_path)
    path = tmp_path / "clotho_captions_evaluation.csv"
    path.write_text(path.read_text().replace("evaluation rain on a roof 1.wav, caption 4", " "))
    with pytest.raises(
        BadClipError, match=r"clotho_captions_evaluation\.csv:3: expected a caption"
    ):
        opened("clotho", tmp_path)


def test_missing_sounds_are_refused_unless_skipped(tmp_path: Path) -> None:
    write_audiocaps(tmp_path)
    (tmp_path / "val" / "v2.wav").unlink()
    with pytest.raises(BadClipError, match=r"val\.csv:2: .*v2\.wav, there is none.*missing: skip"):
        opened("audiocaps", tmp_path)
    for path in tmp_path.rglob("*.wav"):
        path.unlink()
    with pytest.raises(BadSourceError, match="none of the 4 clips has a file"):
        opened("audiocaps", tmp_path, missing="skip")


def test_a_clip_in_two_splits_of_audiocaps_is_refused(tmp_path: Path) -> None:
    write_audiocaps(tmp_path)
    with (tmp_path / "test.csv").open("a") as file:
        file.write("99,v0,30,a leaked clip\n")
    with pytest.raises(BadClipError, match=r"test\.csv:7: .*'v0_30' again.*train\.csv:2"):
        opened("audiocaps", tmp_path, missing="skip")


def test_an_audiocap_id_that_comes_twice_names_both_rows(tmp_path: Path) -> None:
    write_audiocaps(tmp_path)
    with (tmp_path / "train.csv").open("a") as file:
        file.write("0,v9,30,again\n")
    with pytest.raises(BadClipError, match=r"train\.csv:4: .*audiocap_id once, got 0.* line 2"):
        opened("audiocaps", tmp_path)


ESC_COLUMNS = ("filename", "fold", "target", "category", "esc10")


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (("a.wav", 6, 0, "dog", "True"), "expected fold from 1 to 5, got '6'"),
        (("a.wav", 1, 50, "dog", "True"), "expected target from 0 to 49, got '50'"),
        (("a.wav", 1, "x", "dog", "True"), "expected target from 0 to 49, got 'x'"),
        (("a.wav", 1, 1, "", "True"), "expected a category, got an empty field"),
        (("a.wav", 1, 0, "cat", "True"), "expected class 0 to be 'dog' as before, got 'cat'"),
        (("first.wav", 1, 0, "dog", "True"), r"'first\.wav' again, .*esc50\.csv:2"),
        (("a.wav", 1, 0, "dog"), "expected 5 fields, got 4"),
    ],
)
def test_a_bad_row_of_esc50_is_named(tmp_path: Path, row: tuple[object, ...], message: str) -> None:
    write_sound(tmp_path / "audio" / "first.wav")
    rows = [("first.wav", 1, 0, "dog", "True"), row]
    write_csv(tmp_path / "meta" / "esc50.csv", ESC_COLUMNS, rows)
    with pytest.raises(BadClipError, match=rf"esc50\.csv:3: {message}|esc50\.csv:3: .*{message}"):
        opened("esc50", tmp_path, fold=1)


def test_lacking_columns_are_named(tmp_path: Path) -> None:
    write_csv(tmp_path / "manifest.csv", ("file", "caption"), [("a.wav", "rain")])
    with pytest.raises(BadSourceError, match=r"manifest\.csv:1: .* columns path, .*file, caption"):
        opened("manifest", tmp_path)


def test_a_listing_without_rows_or_in_another_encoding_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "manifest.csv"
    path.write_text("path,caption,split\n")
    with pytest.raises(BadSourceError, match="a row for each clip, got none"):
        opened("manifest", tmp_path)
    path.write_bytes("path,caption\na.wav,forêt\n".encode("latin-1"))
    with pytest.raises(BadSourceError, match="expected CSV in UTF-8"):
        opened("manifest", tmp_path)


def test_a_row_that_is_no_csv_is_named(tmp_path: Path) -> None:
    (tmp_path / "manifest.csv").write_text('path,caption\na.wav,rain\nb.wav,"a "dog"\n')
    with pytest.raises(BadClipError, match=r"manifest\.csv:3: expected a row of CSV"):
        opened("manifest", tmp_path)


def test_a_stamp_without_an_english_caption_is_named(tmp_path: Path) -> None:
    write_stamps(tmp_path)
    (tmp_path / "animals/birds/crow.txt").write_text("\nfr.utf8=Un corbeau.\n", "utf-8")
    with pytest.raises(BadClipError, match=r"crow\.txt:1: expected an English caption"):
        opened("tuxpaint", tmp_path)


@pytest.mark.parametrize("source", ["audiocaps", "clotho", "esc50", "urbansound8k"])
def test_languages_that_a_dataset_lacks_are_refused(tmp_path: Path, source: str) -> None:
    with pytest.raises(DataSettingsError, match=r"data\.languages: .* captions in en, got 'fr'"):
        opened(source, tmp_path, languages=["en", "fr"])


@pytest.mark.parametrize(
    ("source", "settings", "name"),
    [
        ("clotho", {"fold": 1}, "fold"),
        ("audiocaps", {"val_share": 0.1}, "val_share"),
        ("esc50", {"general_midi": {}}, "general_midi"),
        ("general_midi", {"fold": 1}, "fold"),
        ("general_midi", {"limit": 5}, "limit"),
        ("tuxpaint", {"fold": 1}, "fold"),
    ],
)
def test_settings_that_do_not_apply_are_refused(
    source: str, settings: dict[str, Any], name: str
) -> None:
    with pytest.raises(DataSettingsError, match=rf"data\.{name}: {source} does not take it"):
        opened(source, None, **settings)


def test_a_fold_that_a_dataset_lacks_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataSettingsError, match="esc50 has folds 1 to 5, got 6"):
        opened("esc50", tmp_path, fold=6)
