"""Studies of sounds with captions: their keys, their rules, and mistakes in one line each."""

from pathlib import Path

import pytest

from search_spaces.errors import StudyContentError
from search_spaces.load import parse_study
from search_spaces.schema import paths_of, section_schema
from tests.trainer.pair_cohorts import write_tones
from trainer.audio_settings import AudioSettings
from trainer.tower_settings import TowersSettings

TEXT = """\
study: pairs
question: grid
data: {source: manifest, folder: FOLDER, languages: [en, de], clip_seconds: 0.2}
model: {audio: {encoder: conv, hidden: [8]}, text: {encoder: transformer, hidden: [16]}}
train: {batch_size: 16, steps: 10}
objective: {kind: [infonce, static_svr], temperature: 0.07}
lr: [0.001, 0.01]
seeds: 2
collapse: {utility: recall_at_1}
budget: {trials: 8}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tones")
    write_tones(path)
    return path


def complaint_of(text: str, folder: Path) -> str:
    with pytest.raises(StudyContentError) as caught:
        parse_study(text.replace("FOLDER", str(folder)), "s.yaml")
    return str(caught.value)


def test_a_study_of_sounds_has_two_towers_and_the_captions_languages(folder: Path) -> None:
    study = parse_study(TEXT.replace("FOLDER", str(folder)), "s.yaml")
    settings = study.settings_at(study.corner("static_svr"))
    assert isinstance(settings.data, AudioSettings)
    assert isinstance(settings.model, TowersSettings)
    assert settings.data.languages == ("en", "de")
    assert settings.model.audio.hidden == (8,)
    assert study.digest == parse_study(TEXT.replace("FOLDER", str(folder)), "s.yaml").digest


def test_keys_are_those_of_the_form_that_the_source_asks_for() -> None:
    sounds, images = (dict(paths_of(section_schema(form))) for form in ("sounds", "images"))
    assert "data.mel.bands" in sounds
    assert "model.text.encoder" in sounds
    assert "data.image_size" not in sounds
    assert "data.languages" not in images
    assert "train.batch_size" in sounds


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("source: manifest", "source: manifst", "s.yaml:3: data.source: expected one of digits, "),
        ("model: {audio: {encoder: conv, hidden: [8]}, ", "model: {encoder: mlp, ",
         "s.yaml:4: model.encoder: unknown key; known keys: audio, embed_dim, head_hidden, norm"),
        ("source: manifest", "image_size: 8, source: manifest",
         "s.yaml:3: data.image_size: unknown key; known keys: augment, cache_dtype"),
        ("collapse: {utility: recall_at_1}\n", "",
         "s.yaml:1: collapse.utility: expected recall_at_1 or train_loss for an audio-text study, "
         "got knn_accuracy"),
        ("seeds: 2\n", "seeds: 2\nevaluate: {linear_probe: true}\n",
         "s.yaml:9: evaluate.linear_probe: is measured in studies of images alone"),
        ("seeds: 2\n", "seeds: 2\nalign: {reference: infonce}\n",
         "s.yaml:9: align: compares encoders of images"),
        ("batch_size: 16", "batch_size: 64",
         "s.yaml:5: train.batch_size: expected at most 48, the clips that manifest has for "
         "training, got 64"),
        ("languages: [en, de]", "languages: [en, xx]",
         "s.yaml:3: data.languages: expected languages by the two letters of ISO 639-1"),
        ("languages: [en, de]", "languages: [fr]", "s.yaml:3: data.languages: "),
        ("hidden: [16]", "hidden: [16, 32]", "s.yaml:4: model.text.hidden: "),
        ("audio: {encoder: conv, hidden: [8]}", "audio: {encoder: clap}",
         "s.yaml:4: model.audio.weights: clap needs a folder in Hugging Face's format"),
        ("audio: {encoder: conv, hidden: [8]}", "audio: {encoder: pooled_mel}",
         None),
    ],
)  # fmt: skip
def test_one_mistake_is_one_line(folder: Path, old: str, new: str, complaint: str | None) -> None:
    assert old in TEXT
    text = TEXT.replace(old, new)
    if complaint is None:
        parse_study(text.replace("FOLDER", str(folder)), "s.yaml")
        return
    found = complaint_of(text, folder)
    assert found.startswith(complaint)
    assert "\n" not in found


def test_augmentation_of_features_that_are_computed_once_is_refused(folder: Path) -> None:
    text = TEXT.replace("audio: {encoder: conv, hidden: [8]}", "audio: {encoder: pooled_mel}")
    text = text.replace("languages:", "augment: {gain_db: 3}, languages:")
    assert "s.yaml:3: data.augment: has no effect on pooled_mel" in complaint_of(text, folder)


def test_objectives_that_need_classes_are_refused_where_a_clip_has_none(folder: Path) -> None:
    manifest = folder.parent / "unlabelled"
    write_tones(manifest)
    table = (manifest / "manifest.csv").read_text().splitlines()
    rows = [line.rsplit(",", 1)[0] for line in table]
    (manifest / "manifest.csv").write_text("\n".join(rows) + "\n")
    text = TEXT.replace("[infonce, static_svr]", "[infonce, supcon]")
    assert "supcon needs one class for every clip, but 48 of 48 train" in complaint_of(
        text, manifest
    )


def test_what_is_optimised_is_what_an_audio_text_trial_measures(folder: Path) -> None:
    optimise = TEXT.replace(
        "question: grid", "question: optimise\noptimise: {metric: METRIC, direction: maximize}"
    )
    wrong = complaint_of(optimise.replace("METRIC", "knn_accuracy"), folder)
    assert "optimise.metric: knn_accuracy is not measured in audio-text studies" in wrong
    lacking = complaint_of(optimise.replace("METRIC", "zero_shot_accuracy"), folder)
    assert "zero_shot_accuracy is not measured; add evaluate: {zero_shot: true}" in lacking
    good = optimise.replace("METRIC", "val_recall_at_1").replace("FOLDER", str(folder))
    assert parse_study(good, "s.yaml").optimise is not None
