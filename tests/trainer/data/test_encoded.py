"""Cached features are what the frozen encoder makes of the images, and members train on them.

Shape legend: N = images, V = views, F = features.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from tests.trainer.cohorts import CPU, make_cohort, make_member, train_by_trial
from trainer.checks import ImageEvaluation
from trainer.data.augment import augment, evaluation_view
from trainer.data.batches import BatchStream
from trainer.data.encoded import FrozenEncoder
from trainer.data.image_data import ImageData
from trainer.data.images import load_images
from trainer.data.training_data import load_training_data
from trainer.models.build import build_model
from trainer.seeds import generator_for
from trainer.settings import (
    AugmentSettings,
    CollapseSettings,
    DataSettings,
    ModelSettings,
    TrainSettings,
)

VIEWS = 3
DATA = DataSettings(source="digits", split_seed=7, augment=AugmentSettings(views=VIEWS))
IMAGES = load_images(DATA)
FROZEN = {
    "mlp": ModelSettings(encoder="mlp", hidden=(24,), norm="layer", embed_dim=16, frozen=True),
    "resnet": ModelSettings(encoder="resnet", hidden=(8,), embed_dim=16, frozen=True),
    "vit": ModelSettings(encoder="vit", hidden=(16,), embed_dim=16, frozen=True),
}


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANKFALL_CACHE", str(tmp_path))


def load(model: ModelSettings, data: DataSettings = DATA) -> ImageData:
    return load_training_data(data, model, CPU, torch.float32)


def encode_now(settings: ModelSettings, images_NCHW: Tensor) -> Tensor:
    model = build_model(settings.model_copy(update={"frozen": False}), (1, 8, 8))
    parameters = {n: p.float() for n, p in model.init_parameters([DATA.split_seed]).items()}
    running = {n: r.float() for n, r in model.init_running(1).items()}
    return model.encode(parameters, running, images_NCHW.flatten(1)[None], training=False)[0]


@pytest.mark.parametrize("encoder", FROZEN)
def test_cached_features_are_those_of_encoding_on_the_fly(encoder: str) -> None:
    settings = FROZEN[encoder]
    encoded = load(settings)
    assert encoded.views is not None
    train_NCHW, test_NCHW = IMAGES.train_images_NCHW, IMAGES.test_images_NCHW
    for expected, cached in [
        (encode_now(settings, train_NCHW), encoded.train_images_NCHW.flatten(1)),
        (encode_now(settings, test_NCHW), encoded.test_images_NCHW.flatten(1)),
        (encode_now(settings, evaluation_view(IMAGES, DATA)), encoded.views.partner_NF),
    ]:
        assert_close(cached, expected, rtol=1e-5, atol=1e-5)
    view = augment(train_NCHW[1024:], DATA.augment, generator_for(7, "encoded-view", 2, 1))
    assert_close(
        encoded.views.train_VNF[2, 1024:], encode_now(settings, view), rtol=1e-5, atol=1e-5
    )
    assert len(encoded.views.train_VNF) == VIEWS
    assert torch.equal(encoded.train_labels_N, IMAGES.train_labels_N)


def test_the_second_time_nothing_is_encoded(monkeypatch: pytest.MonkeyPatch) -> None:
    first = load(FROZEN["mlp"])

    def refuse(*_: object) -> Iterator[Tensor]:
        raise AssertionError("encoded again")

    monkeypatch.setattr(FrozenEncoder, "_pieces", refuse)
    second = load(FROZEN["mlp"])
    assert first.views is not None
    assert second.views is not None
    assert torch.equal(second.views.train_VNF, first.views.train_VNF)


@pytest.mark.parametrize(
    ("model", "data", "dtype"),
    [
        ({"hidden": (25,)}, {}, torch.float32),
        ({"norm": "none"}, {}, torch.float32),
        ({}, {"split_seed": 8}, torch.float32),
        ({}, {"test_fraction": 0.4}, torch.float32),
        ({}, {"augment": AugmentSettings(views=VIEWS, noise_std=0.2)}, torch.float32),
        ({}, {}, torch.float64),
    ],
)
def test_what_the_features_depend_on_is_in_the_key(
    model: dict[str, object], data: dict[str, object], dtype: torch.dtype
) -> None:
    def key(model: ModelSettings, data: DataSettings, dtype: torch.dtype) -> str:
        return FrozenEncoder(model, data, load_images(data).to(CPU, dtype), CPU, dtype).key

    plain = key(FROZEN["mlp"], DATA, torch.float32)
    assert key(FROZEN["mlp"], DATA, torch.float32) == plain
    other = FROZEN["mlp"].model_copy(update=model), DATA.model_copy(update=data), dtype
    assert key(*other) != plain
    head = FROZEN["mlp"].model_copy(update={"embed_dim": 4, "head_hidden": (9,)})
    assert key(head, DATA, torch.float32) == plain, "heads share one file"


def test_a_step_draws_two_different_views_of_each_image_by_seed_and_step() -> None:
    encoded = load(FROZEN["mlp"])
    assert encoded.views is not None
    drawn = []
    for seed, step in [(1, 3), (1, 4), (2, 3)]:
        batch = BatchStream(encoded, DATA.augment, 40, seed).batch_at(step)
        again = BatchStream(encoded, DATA.augment, 40, seed).batch_at(step)
        assert torch.equal(batch.views_VBF, again.views_VBF)
        own_VBF = encoded.views.train_VNF[:, batch.indices_B]
        is_view_2VB = (own_VBF[None] == batch.views_VBF[:, None]).all(dim=-1)
        assert (is_view_2VB.sum(dim=1) == 1).all()
        picks_2B = is_view_2VB.int().argmax(dim=1)
        assert (picks_2B[0] != picks_2B[1]).all()
        assert set(picks_2B.flatten().tolist()) == set(range(VIEWS))
        drawn.append(picks_2B)
    assert not torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])


def test_the_evaluation_looks_at_features() -> None:
    encoded = load(FROZEN["mlp"])
    assert encoded.views is not None
    evaluation = ImageEvaluation.of(encoded, DATA, CollapseSettings())
    assert torch.equal(evaluation.images.partner_NF, encoded.views.partner_NF)
    assert torch.equal(evaluation.images.images_NF, encoded.test_images_NCHW.flatten(1))


@pytest.mark.parametrize("encoder", FROZEN)
def test_heads_are_trained_on_cached_features_and_alone_with_the_same_bits(encoder: str) -> None:
    members = [
        make_member("a", lr=1e-3, seed=1, kind="infonce"),
        make_member("b", lr=1e-3, seed=2, kind="infonce"),
        make_member("c", lr=1e-3, seed=1, kind="supcon"),
    ]
    train = TrainSettings(batch_size=128, steps=60, optimizer="adam")
    cohort = make_cohort(members, model=FROZEN[encoder], train=train)
    cohort = cohort.model_copy(update={"data": DATA})
    outcomes = train_by_trial(cohort)
    alone = train_by_trial(cohort.model_copy(update={"members": tuple(members[1:2])}))
    assert alone["b"] == outcomes["b"]
    for outcome in outcomes.values():
        assert outcome.measures["train_loss"] < outcome.initial["train_loss"]
        assert outcome.measures["knn_accuracy"] == outcome.initial["knn_accuracy"]
    # One encoder for all replicates, heads by seed.
    assert outcomes["a"].initial["knn_accuracy"] == outcomes["b"].initial["knn_accuracy"]
    assert outcomes["a"].initial["effective_rank"] != outcomes["b"].initial["effective_rank"]
