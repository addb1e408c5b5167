"""What every model must do, whatever its encoder. Inherit, and say how to make model and inputs.

Shape legend: M = members, N = samples, F = flat inputs, D = embedding.
"""

from abc import ABC, abstractmethod

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from trainer.models.blocks import checkpointed_blocks
from trainer.models.protocol import SingleModel, Tensors

SAMPLES = 5


def cast(tensors: Tensors, dtype: torch.dtype) -> Tensors:
    return {name: tensor.to(dtype) for name, tensor in tensors.items()}


class ModelContract(ABC):
    """Conformance suite; subclasses are named ``Test...``."""

    embed_dim = 6

    @pytest.fixture
    def model(self) -> SingleModel:
        return self.make_model()

    @abstractmethod
    def make_model(self) -> SingleModel:
        """Return a small model of ``embed_dim``."""

    @abstractmethod
    def make_inputs(self, members: int) -> Tensor:
        """Return flat inputs (M, SAMPLES, F), float64, of a member's place alone."""

    def embed(
        self, model: SingleModel, parameters: Tensors, running: Tensors, inputs: Tensor, *, on: bool
    ) -> Tensor:
        features = model.encode(parameters, running, inputs, training=on)
        return model.project(parameters, running, features, training=on)

    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
    def test_projections_are_finite_rows_of_the_embedding(
        self, model: SingleModel, dtype: torch.dtype
    ) -> None:
        parameters = cast(model.init_parameters([1, 2]), dtype)
        running = cast(model.init_running(2), dtype)
        out = self.embed(model, parameters, running, self.make_inputs(2).to(dtype), on=True)
        assert out.shape == (2, SAMPLES, self.embed_dim)
        assert out.dtype == dtype
        assert out.isfinite().all()
        assert out.std(dim=1).min() > 0, "rows differ"

    def test_weights_depend_on_the_seed_alone(self, model: SingleModel) -> None:
        torch.manual_seed(0)
        state = torch.get_rng_state()
        first = model.init_parameters([4, 9, 4])
        assert torch.equal(torch.get_rng_state(), state), "the global generator is given back"
        torch.manual_seed(77)
        alone = self.make_model().init_parameters([9])
        for name, rows in first.items():
            assert rows.dtype == torch.float64
            assert torch.equal(rows[0], rows[2])
            assert torch.equal(rows[1], alone[name][0])
        assert any(not torch.equal(rows[0], rows[1]) for rows in first.values())

    @pytest.mark.parametrize("training", [True, False])
    def test_a_member_has_the_same_bits_wherever_its_rows_lie(
        self, model: SingleModel, training: bool
    ) -> None:
        together = cast(model.init_parameters([1, 2, 3]), torch.float32)
        alone = {name: rows[2:].clone() for name, rows in together.items()}
        inputs = self.make_inputs(3).float()
        many, one = (cast(model.init_running(count), torch.float32) for count in (3, 1))
        stacked = self.embed(model, together, many, inputs, on=training)
        single = self.embed(model.select([2]), alone, one, inputs[2:].clone(), on=training)
        assert torch.equal(stacked[2], single[0])
        for name, rows in many.items():
            assert torch.equal(rows[2], one[name][0])

    def test_training_leaves_nothing_to_chance(self, model: SingleModel) -> None:
        parameters, inputs = model.init_parameters([1]), self.make_inputs(1)
        outcomes = []
        for seed in (0, 1):
            torch.manual_seed(seed)
            running = cast(model.init_running(1), torch.float64)
            outcomes.append(self.embed(model, parameters, running, inputs, on=True))
        assert torch.equal(*outcomes)

    def test_an_evaluated_sample_is_independent_of_the_others(self, model: SingleModel) -> None:
        parameters = model.init_parameters([1])
        running = cast(model.init_running(1), torch.float64)
        inputs = self.make_inputs(1)
        together = self.embed(model, parameters, running, inputs, on=False)
        for sample in range(SAMPLES):
            alone = self.embed(model, parameters, running, inputs[:, sample : sample + 1], on=False)
            assert_close(alone, together[:, sample : sample + 1])

    def test_gradients_are_those_of_finite_differences(self, model: SingleModel) -> None:
        leaves = {n: p.requires_grad_() for n, p in model.init_parameters([1]).items()}
        inputs = self.make_inputs(1)

        def loss(parameters: Tensors) -> Tensor:
            running = cast(model.init_running(1), torch.float64)
            return self.embed(model, parameters, running, inputs, on=True).square().sum()

        gradients = torch.autograd.grad(loss(leaves), list(leaves.values()), materialize_grads=True)
        generator = torch.Generator().manual_seed(8)
        way = [torch.randn(g.shape, generator=generator, dtype=g.dtype) for g in gradients]
        slope = sum(float((g * w).sum()) for g, w in zip(gradients, way, strict=True))
        step = 1e-7
        ahead, behind = (
            {n: p.detach() + sign * step * w for (n, p), w in zip(leaves.items(), way, strict=True)}
            for sign in (1, -1)
        )
        with torch.no_grad():
            measured = float(loss(ahead) - loss(behind)) / (2 * step)
        assert slope == pytest.approx(measured, rel=1e-4)

    def test_checkpointed_activations_change_neither_gradients_nor_statistics(
        self, model: SingleModel
    ) -> None:
        results = []
        for enabled in (False, True):
            parameters = model.init_parameters([1, 2])
            running = cast(model.init_running(2), torch.float64)
            leaves = [p.requires_grad_() for p in parameters.values()]
            with checkpointed_blocks(enabled=enabled):
                out = self.embed(model, parameters, running, self.make_inputs(2), on=True)
                gradients = torch.autograd.grad(out.square().sum(), leaves, materialize_grads=True)
            results.append([out, *gradients, *running.values()])
        for plain, checkpointed in zip(*results, strict=True):
            assert torch.equal(plain, checkpointed)

    def test_statistics_are_floating_point_and_still_in_evaluation(
        self, model: SingleModel
    ) -> None:
        running = cast(model.init_running(1), torch.float64)
        assert all(rows.is_floating_point() for rows in model.init_running(1).values())
        before = {name: rows.clone() for name, rows in running.items()}
        self.embed(model, model.init_parameters([1]), running, self.make_inputs(1), on=False)
        assert all(torch.equal(rows, before[name]) for name, rows in running.items())
