"""A model that cannot be built is complained of by field and line, with what to do next."""

import pytest

from tests.search_spaces.sample import complaint_of, parse, sample_with
from trainer.settings import ModelSettings

MODEL = "{encoder: mlp, hidden: [16], embed_dim: 16}"


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (
            "{encoder: resnet, norm: layer}",
            "model.norm: expected batch or group with encoder: resnet, got layer; leave it out, or "
            "choose encoder: conv or mlp",
        ),
        (
            "{encoder: [mlp, vit], norm: [none, batch]}",
            "model.norm: expected none with encoder: vit, which has normalisation of its own, got "
            "batch; leave it out, or choose encoder: mlp",
        ),
        (
            "{encoder: vit, weights: google/vit-base-patch16-224}",
            "model.weights: expected the absolute path of a folder on this machine, got "
            "'google/vit-base-patch16-224'; nothing is downloaded: get a model with "
            "'hf download NAME --local-dir FOLDER' and give FOLDER",
        ),
        (
            "{encoder: mlp, weights: /tmp}",
            "model.weights: only resnet and vit are loaded from a folder; leave it out for mlp",
        ),
        (
            "{encoder: mlp, hidden: []}",
            "model.hidden: expected a list of at least 1, got an empty ",
        ),
        (
            "{encoder: resnt}",
            "model.encoder: expected one of mlp, conv, resnet, resnet18, resnet50, vit; got "
            "'resnt'; did you mean resnet?",
        ),
    ],
)
def test_what_makes_no_model_is_one_line(model: str, message: str) -> None:
    complaint = complaint_of(sample_with(MODEL, model))
    assert complaint.startswith(f"s.yaml:4: {message}")
    assert "\n" not in complaint


@pytest.mark.parametrize("frozen", ["true", "[false, true]"])
def test_a_frozen_encoder_cannot_be_judged_by_its_features(frozen: str) -> None:
    text = sample_with("embed_dim: 16}", f"embed_dim: 16, frozen: {frozen}}}")
    assert complaint_of(text) == (
        "s.yaml:1: collapse.utility: expected train_loss because of model.frozen: true, got "
        "knn_accuracy; it looks at the encoder's features, which a frozen encoder never improves"
    )
    given = text + "collapse:\n  utility: knn_accuracy\n"
    assert complaint_of(given).startswith("s.yaml:14: collapse.utility: expected train_loss")
    assert parse(text + "collapse: {utility: train_loss}\n").collapse.utility == "train_loss"


def test_sizes_follow_the_encoder_where_the_file_gives_none() -> None:
    study = parse(sample_with(MODEL, "{encoder: [mlp, resnet, vit]}"))
    sizes = {}
    for point in study.slices():
        model = study.settings_at(point.replace("lr", 1.0)).model
        assert isinstance(model, ModelSettings)
        sizes[model.encoder] = model.hidden
    assert sizes == {"mlp": (128, 128), "resnet": (16, 32, 64), "vit": (64, 64)}
