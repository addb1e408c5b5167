"""DynamicSVR with similarities of frozen features: loops, gradients, what it does not look at."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.nn.functional import normalize
from torch.testing import assert_close

from tests.contracts.objective import (
    MEMBERS,
    context_for,
    evaluate,
    random_batch,
    read_settings,
    with_views,
)
from trainer.losses.radius import PredictorWidthError
from trainer.objective import ObjectiveBatch, build_objective
from trainer.objectives.support_vector import DynamicSVR
from trainer.pair_radius import radius_measures

TAU = 0.2
BATCH = random_batch(5, 3)


def bind(batch: ObjectiveBatch = BATCH, **fields: object) -> DynamicSVR:
    settings = {"kind": "dynamic_svr", "similarities": "offline", "temperature": TAU, **fields}
    objective = build_objective([read_settings(**settings)] * MEMBERS, context_for(batch))
    assert isinstance(objective, DynamicSVR)
    return objective


def trained(objective: DynamicSVR) -> dict[str, Tensor]:
    """Return parameters that are no longer those of the start, whose last weights are tiny."""
    generator = torch.Generator().manual_seed(3)
    initial = objective.init_parameters()
    return {
        name: value + 0.1 * torch.randn(value.shape, generator=generator, dtype=value.dtype)
        for name, value in initial.items()
    }


def loop_radius(likeness_BB: Tensor, anchor: int, weights: list[Tensor]) -> float:
    """Walk through the network with lists: own similarity first, the others in their order."""
    row = likeness_BB[anchor].tolist()
    signal = [row[anchor] / TAU, *(s / TAU for j, s in enumerate(row) if j != anchor)]
    for layer in range(3):
        weight, bias = weights[2 * layer].tolist(), weights[2 * layer + 1].tolist()
        signal = [
            sum(w * s for w, s in zip(own, signal, strict=True)) + b
            for own, b in zip(weight, bias, strict=True)
        ]
        if layer < 2:
            signal = [max(s, 0.0) for s in signal]
    return float(signal[0])


def test_radii_agree_with_loops_over_the_likeness_of_their_side() -> None:
    objective = bind()
    parameters = trained(objective)
    x_MBD, y_MBD = (normalize(view, dim=-1) for view in BATCH.pair)
    assert BATCH.likeness_MSBB is not None
    radii = objective.radii(parameters, x_MBD, y_MBD, BATCH.likeness_MSBB)
    for number, (side, radius_MB) in enumerate(zip("xy", radii, strict=True)):
        assert radius_MB is not None
        for member in range(MEMBERS):
            own = [value[member] for name, value in parameters.items() if name[0] == side]
            likeness_BB = BATCH.likeness_MSBB[member, number]
            for anchor in range(5):
                expected = loop_radius(likeness_BB, anchor, own)
                assert float(radius_MB[member, anchor]) == pytest.approx(expected, rel=1e-9)


def test_gradients_are_those_of_the_value_in_float64() -> None:
    # Radii do not depend on the embeddings, and without beta nothing is cut from the graph.
    objective = bind(beta=0.0)
    initial = trained(objective)

    def losses(x_MBD: Tensor, y_MBD: Tensor, *values: Tensor) -> Tensor:
        parameters = dict(zip(initial, values, strict=True))
        return objective(parameters, with_views(BATCH, x_MBD, y_MBD))

    leaves = [value.detach().clone().requires_grad_() for value in BATCH.pair]
    assert torch.autograd.gradcheck(lambda x, y: losses(x, y, *initial.values()), leaves)
    leaves += [value.detach().clone().requires_grad_() for value in initial.values()]
    assert torch.autograd.gradcheck(losses, leaves, fast_mode=True)


def test_no_gradient_goes_into_the_frozen_features() -> None:
    objective = bind()
    assert BATCH.likeness_MSBB is not None
    likeness = BATCH.likeness_MSBB.clone().requires_grad_()
    losses_M = objective(trained(objective), replace(BATCH, likeness_MSBB=likeness))
    assert not losses_M.requires_grad


def test_offline_radii_stay_while_embeddings_move_and_online_ones_move_with_them() -> None:
    moved = with_views(BATCH, *(view.flip(1) for view in BATCH.pair))
    for kind, is_equal in (("offline", True), ("online", False)):
        objective = bind(similarities=kind)
        parameters = trained(objective)
        before, after = (
            [found["radius"] for found in radius_measures(objective, parameters, batch)]
            for batch in (BATCH, moved)
        )
        assert (before == after) is is_equal


def test_predictors_learn_from_the_loss() -> None:
    objective = bind()
    found = evaluate(objective, BATCH, trained(objective))
    assert found.gradients["x.weight_1"].any()
    assert found.gradients["y.weight_3"].any()


def test_both_kinds_start_from_the_same_predictors() -> None:
    online, offline = (bind(similarities=kind).init_parameters() for kind in ("online", "offline"))
    for name, value in online.items():
        assert_close(offline[name], value, rtol=0, atol=0)


def test_another_batch_size_is_refused() -> None:
    objective = bind()
    larger = random_batch(6, 3)
    with pytest.raises(PredictorWidthError, match="takes 5 similarities but the batch has 6"):
        objective(objective.init_parameters(), larger)
