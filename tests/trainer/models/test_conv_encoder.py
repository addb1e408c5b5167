"""The small convolutional encoder: torch's own layers, member by member, packing changes no bit."""

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from tests.trainer.cohorts import make_cohort, make_member, train_by_trial
from trainer.errors import ModelSettingsError
from trainer.models.build import build_model
from trainer.models.conv_encoder import ConvEncoder
from trainer.models.module_model import ModuleModel
from trainer.settings import ModelSettings, Norm

SHAPE = (1, 8, 8)
every_norm = pytest.mark.parametrize("norm", ["none", "batch", "layer", "group"])


def settings_of(norm: Norm, **more: object) -> ModelSettings:
    given = {"encoder": "conv", "hidden": [8, 32], "embed_dim": 16, "norm": norm}
    return ModelSettings.model_validate(given | more)


def by_hand(norm: Norm) -> nn.Sequential:
    """Return the layers as one would write them down."""

    def norm_of(channels: int, groups: int) -> nn.Module:
        match norm:
            case "none":
                return nn.Identity()
            case "batch":
                return nn.BatchNorm2d(channels)
            case "layer":
                return nn.GroupNorm(1, channels)
            case "group":
                return nn.GroupNorm(groups, channels)

    bias = norm == "none"
    layers = (
        *(nn.Conv2d(1, 8, 3, 1, padding=1, bias=bias), norm_of(8, 1), nn.ReLU()),
        *(nn.Conv2d(8, 32, 3, 2, padding=1, bias=bias), norm_of(32, 2), nn.ReLU()),
        *(nn.AdaptiveAvgPool2d(1), nn.Flatten()),
    )
    return nn.Sequential(*layers).double()


@every_norm
@pytest.mark.parametrize("training", [True, False])
def test_features_are_those_of_the_layers_by_hand(norm: Norm, training: bool) -> None:
    model = build_model(settings_of(norm), SHAPE)
    parameters = model.init_parameters([1, 2])
    running = {name: rows.double() for name, rows in model.init_running(2).items()}
    inputs = torch.randn(2, 5, 64, generator=torch.Generator().manual_seed(0)).double()
    features = model.encode(parameters, running, inputs, training=training)
    for m in range(2):
        plain = by_hand(norm).train(training)
        own = {n.removeprefix("encoder.stages."): p[m] for n, p in parameters.items()}
        plain.load_state_dict({n: p for n, p in own.items() if "head" not in n}, strict=False)
        assert_close(features[m], plain(inputs[m].view(-1, *SHAPE)))


@pytest.mark.parametrize(("side", "strides"), [(8, (1, 2)), (16, (1, 2)), (28, (2, 2))])
def test_images_above_16_pixels_are_halved_from_the_first_stage_on(
    side: int, strides: tuple[int, ...]
) -> None:
    encoder = ConvEncoder(settings_of("none"), (3, side, side))
    found = [layer.stride[0] for layer in encoder.stages if isinstance(layer, nn.Conv2d)]
    assert tuple(found) == strides


@pytest.mark.parametrize(("side", "pool"), [(8, 2), (8, 4), (14, 2), (28, 2), (28, 3), (28, 7)])
def test_cells_of_the_last_map_are_averaged_each_by_itself(side: int, pool: int) -> None:
    encoder = ConvEncoder(settings_of("none", pool=pool), (1, side, side))
    images = torch.randn(3, 1, side, side, generator=torch.Generator().manual_seed(0))
    maps = encoder.stages(images)
    size, stride = maps.shape[-1], maps.shape[-1] // pool
    cell = size - stride * (pool - 1)
    starts = range(0, size - cell + 1, stride)
    by_cell = [maps[:, :, y : y + cell, x : x + cell].mean((2, 3)) for y in starts for x in starts]
    assert len(by_cell) == pool**2
    assert_close(encoder(images), torch.stack(by_cell, dim=2).flatten(1))


def test_a_pool_larger_than_the_last_map_is_refused_with_its_size() -> None:
    with pytest.raises(ModelSettingsError, match="at most 4, the last map's pixels a side after 2"):
        build_model(settings_of("none", pool=5), SHAPE)
    with pytest.raises(ModelSettingsError, match="only conv has it"):
        build_model(settings_of("none", encoder="mlp", pool=2), SHAPE)


def test_weights_are_drawn_by_seed_at_a_scale_that_keeps_the_signal() -> None:
    model = build_model(settings_of("none", hidden=[64, 64, 64, 64]), (1, 32, 32))
    assert isinstance(model, ModuleModel)
    first, second = (model.init_parameters([seed]) for seed in (1, 2))
    name = "encoder.stages.3.weight"
    assert not torch.equal(first[name], second[name])
    assert torch.equal(first[name], model.init_parameters([1])[name])
    assert float(first[name].std()) == pytest.approx((2 / (9 * 64)) ** 0.5, rel=0.05)


@every_norm
def test_neighbours_change_no_bit_of_a_member(norm: Norm) -> None:
    members = [make_member(kind, lr=0.1, kind=kind) for kind in ("infonce", "supcon", "clop")]
    model = settings_of(norm, head_hidden=[16], head_out_norm="batch", pool=2)
    together = train_by_trial(make_cohort(members, model=model))
    for member in members[1:]:
        alone = train_by_trial(make_cohort([member], model=model))
        assert alone[member.trial] == together[member.trial]
