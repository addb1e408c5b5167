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


def test_a_batch_has_room_for_its_hard_negatives(folder: Path) -> None:
    fits = TEXT.replace("languages:", "hard_negatives: [0, 15], languages:")
    assert parse_study(fits.replace("FOLDER", str(folder)), "s.yaml").axes_for("infonce")
    found = complaint_of(fits.replace("15", "16"), folder)
    assert found.startswith(
        "s.yaml:3: data.hard_negatives: expected at most 15, the negatives that a pair meets in "
        "batches of train.batch_size 16, got 16"
    )


def test_noise_on_the_weights_is_an_axis_and_a_share(folder: Path) -> None:
    text = TEXT.replace("model: {", "model: {weight_noise: [0, 0.5], ")
    study = parse_study(text.replace("FOLDER", str(folder)), "s.yaml")
    assert "model.weight_noise" in [axis.path for axis in study.axes]
    for bad in ("-0.1", "11"):
        found = complaint_of(text.replace("0.5]", f"{bad}]"), folder)
        assert found.startswith("s.yaml:4: model.weight_noise: expected ")
        assert bad in found


def test_similarities_of_frozen_features_are_those_of_clips_and_captions(folder: Path) -> None:
    text = TEXT.replace("[infonce, static_svr]", "dynamic_svr, similarities: [online, offline]")
    study = parse_study(text.replace("FOLDER", str(folder)), "s.yaml")
    assert [axis.path for axis in study.axes] == ["lr", "objective.similarities"]
    images = text.replace(
        "data: {source: manifest, folder: FOLDER, languages: [en, de], clip_seconds: 0.2}",
        "data: {source: digits}",
    )
    images = images.replace(
        "{audio: {encoder: conv, hidden: [8]}, text: {encoder: transformer, hidden: [16]}}",
        "{encoder: mlp}",
    ).replace("recall_at_1", "knn_accuracy")
    found = complaint_of(images, folder)
    assert found.startswith(
        "s.yaml:6: objective.similarities: expected online for images, got offline"
    )


def test_new_settings_at_what_was_meant_before_leave_the_digest_alone(folder: Path) -> None:
    def digest(old: str = "budget", new: str = "budget") -> str:
        text = TEXT.replace("static_svr", "dynamic_svr").replace("FOLDER", str(folder))
        assert old in text
        return parse_study(text.replace(old, new), "s.yaml").digest

    assert digest("languages:", "hard_negatives: 0, imbalance: 1, languages:") == digest()
    assert digest("0.07}", "0.07, similarities: online}") == digest()
    assert digest("model: {", "model: {weight_noise: 0, ") == digest()
    assert digest("model: {", "model: {weight_noise: 0.5, ") != digest()
    assert digest("languages:", "hard_negatives: 2, languages:") != digest()
    assert digest("languages:", "imbalance: 2, languages:") != digest()
    assert digest("0.07}", "0.07, similarities: offline}") != digest()


@pytest.mark.parametrize("masks", ["time_masks", "band_masks"])
def test_masks_of_an_encoder_of_waveforms_are_refused(
    folder: Path, tmp_path: Path, masks: str
) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "wav2vec2"}')
    (tmp_path / "model.safetensors").write_bytes(b"never read")
    waves = f"audio: {{encoder: wav2vec2, weights: {tmp_path}}}"
    text = TEXT.replace("audio: {encoder: conv, hidden: [8]}", waves)
    text = text.replace("languages:", "sample_rate_hz: 16000, languages:")
    parse_study(text.replace("FOLDER", str(folder)), "s.yaml")
    found = complaint_of(text.replace("languages:", f"augment: {{{masks}: 2}}, languages:"), folder)
    assert found.startswith(
        f"s.yaml:3: data.augment.{masks}: expected 0 for wav2vec2, which takes waveforms, got 2"
    )
    assert "leave it out" in found
    heard = text.replace("languages:", "augment: {gain_db: 3, mix_share: 0.5}, languages:")
    parse_study(heard.replace("FOLDER", str(folder)), "s.yaml")


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


def test_a_choice_by_val_clips_is_refused_where_there_are_none(folder: Path) -> None:
    lacking = folder.parent / "no-val"
    write_tones(lacking)
    table = (lacking / "manifest.csv").read_text()
    (lacking / "manifest.csv").write_text(table.replace(",val,", ",train,"))
    optimise = TEXT.replace(
        "question: grid",
        "question: optimise\noptimise: {metric: val_recall_at_1, direction: maximize}",
    )
    found = complaint_of(optimise, lacking)
    assert found.startswith(
        "s.yaml:3: optimise.metric: expected at least 2 val clips to measure val_recall_at_1 on, "
        "got 0 of manifest; give it val clips"
    )
    assert "\n" not in found
    recorded = parse_study(optimise.replace("FOLDER", str(lacking)), "s.yaml", is_recorded=True)
    assert recorded.optimise is not None
    good = optimise.replace("val_recall", "recall").replace("FOLDER", str(lacking))
    assert parse_study(good, "s.yaml").optimise is not None
