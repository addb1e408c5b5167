r"""The semantic radius R of support vectors: learned as a number, or predicted per anchor.

StaticSVR has one learnable number; as a parameter of shape [...] it enters
:mod:`trainer.losses.svr` as ``radius_M[..., None]``. DynamicSVR predicts R_i from the similarities
of anchor i within the (gathered) batch, so the predictor's width is the batch size.

Shape legend: M = members (any leading dims), A = anchors, B = pairs, D = embedding dim,
H = hidden width, I, O = inputs and outputs of a layer.

References:
    Luo et al. 2025, "SupCLAP", arXiv:2509.21033. Depth from the text; width, initial values and
    the detached input are this project's choices.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import relu

from trainer.losses.pairs import Scalar, as_member_scalar, check_pairs, promote_half

INITIAL_RADIUS = 0.5
HIDDEN_WIDTH = 128
LAST_WEIGHT_STD = 1e-3


class Predictor(NamedTuple):
    """Parameters of the three-layer radius predictor; weights [..., O, I], biases [..., O]."""

    weight_1: Tensor
    bias_1: Tensor
    weight_2: Tensor
    bias_2: Tensor
    weight_3: Tensor
    bias_3: Tensor


def init_predictor(batch: int, generator: torch.Generator | None = None) -> Predictor:
    """Return a predictor B -> 128 -> 128 -> 1 of one member that starts near R = 0.5.

    Args:
        batch: Pairs in the (gathered) batch.
        generator: Source of the weights; torch's global one by default.
    """

    def uniform(outputs: int, inputs: int, fan_in: int) -> Tensor:
        bound = 1 / math.sqrt(fan_in)
        return (2 * torch.rand(outputs, inputs, generator=generator) - 1) * bound

    return Predictor(
        uniform(HIDDEN_WIDTH, batch, batch),
        uniform(HIDDEN_WIDTH, 1, batch)[:, 0],
        uniform(HIDDEN_WIDTH, HIDDEN_WIDTH, HIDDEN_WIDTH),
        uniform(HIDDEN_WIDTH, 1, HIDDEN_WIDTH)[:, 0],
        LAST_WEIGHT_STD * torch.randn(1, HIDDEN_WIDTH, generator=generator),
        torch.full((1,), INITIAL_RADIUS),
    )


def predict_radius(
    anchors_MAD: Tensor,
    partners_MBD: Tensor,
    temperature: Scalar,
    predictor: Predictor,
    first: int = 0,
) -> Tensor:
    r"""Return R_i = f(S_i) for every anchor, shape [..., A].

    :math:`S_i = [s(t_i, a_i), s(t_i, a_j)_{j \ne i}]`, the partner first, detached: the radius
    learns from the loss, the embeddings do not learn to steer the radius.

    Args:
        anchors_MAD: Anchors, L2-normalised by the caller, shape [..., A, D], A <= B.
        partners_MBD: All candidates of the (gathered) batch, shape [..., B, D].
        temperature: tau > 0, a float or a tensor of shape [...].
        predictor: Parameters with leading dims that broadcast against [...].
        first: Row of ``partners_MBD`` that is the partner of anchor 0; the others follow.

    Raises:
        PredictorWidthError: If the predictor was built for another batch size.
    """
    _check_width(partners_MBD.shape[-2], predictor)
    with torch.no_grad():
        anchors_MAD = promote_half(anchors_MAD)
        tau_M11 = as_member_scalar(temperature, anchors_MAD)[..., None, None]
        similarities_MAB = (anchors_MAD / tau_M11) @ promote_half(partners_MBD).mT
    return radius_of_similarities(similarities_MAB, predictor, first)


def radius_of_similarities(
    similarities_MAB: Tensor, predictor: Predictor, first: int = 0
) -> Tensor:
    """Return R_i = f(S_i) for every anchor, shape [..., A], from similarities known already.

    Args:
        similarities_MAB: S, each anchor with all candidates of the (gathered) batch, divided by
            the temperature; no gradient goes through it.
        predictor: Parameters with leading dims that broadcast against [...].
        first: Column that is the partner of anchor 0; the others follow.

    Raises:
        PredictorWidthError: If the predictor was built for another batch size.
    """
    _check_width(similarities_MAB.shape[-1], predictor)
    similarities_MAB = similarities_MAB.detach()
    hidden_MAH = partner_first(similarities_MAB, first)
    hidden_MAH = relu(_apply(predictor.weight_1, predictor.bias_1, hidden_MAH))
    hidden_MAH = relu(_apply(predictor.weight_2, predictor.bias_2, hidden_MAH))
    return _apply(predictor.weight_3, predictor.bias_3, hidden_MAH)[..., 0]


def radius_penalty(anchors_MBD: Tensor, partners_MBD: Tensor, radius_MB: Tensor) -> Tensor:
    r"""Return L_cons = mean_i [ReLU(R_i - d_i) + ReLU(-R_i)], d detached, shape [...].

    Zero exactly when every radius lies between 0 and the distance of its pair.

    Args:
        anchors_MBD: Anchors, shape [..., B, D].
        partners_MBD: Partners, same shape.
        radius_MB: Radii, shape [..., B] or [..., 1].
    """
    check_pairs(anchors_MBD, partners_MBD)
    pull_MBD = promote_half(partners_MBD.detach()) - promote_half(anchors_MBD.detach())
    distance_MB = torch.linalg.vector_norm(pull_MBD, dim=-1)
    return (relu(radius_MB - distance_MB) + relu(-radius_MB)).mean(dim=-1)


def partner_first(similarities_MAB: Tensor, first: int = 0) -> Tensor:
    """Move column ``first + i`` to the front of row i and keep the order of the rest."""
    anchors, batch = similarities_MAB.shape[-2:]
    columns_B = torch.arange(batch, device=similarities_MAB.device)
    partner_A1 = columns_B[first : first + anchors, None]
    # Row i reads columns p, 0, ..., p - 1, p + 1, ...: the later ones are in place already.
    order_AB = torch.where(columns_B > partner_A1, columns_B, columns_B - 1)
    order_AB[:, :1] = partner_A1
    return similarities_MAB.gather(-1, order_AB.expand_as(similarities_MAB))


def _check_width(batch: int, predictor: Predictor) -> None:
    width = predictor.weight_1.shape[-1]
    if width != batch:
        raise PredictorWidthError(
            f"the radius predictor takes {width} similarities but the batch has {batch} pairs: "
            "build it for the gathered batch size and drop the last incomplete batch"
        )


def _apply(weight_MOI: Tensor, bias_MO: Tensor, inputs_MAI: Tensor) -> Tensor:
    return inputs_MAI @ weight_MOI.mT + bias_MO[..., None, :]


class PredictorWidthError(ValueError):
    """The radius predictor was built for another batch size."""
