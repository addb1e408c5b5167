"""Every kind of objective inherits the contract."""

from collections.abc import Mapping
from typing import ClassVar

import torch

from tests.contracts.objective import ObjectiveContract, read_settings
from trainer.errors import NoNegativeError

Refusals = Mapping[str, type[Exception]]


class TestInfoNCE(ObjectiveContract):
    knows_its_gradient_in = frozenset({torch.float64})
    members = (
        read_settings(kind="infonce", temperature=0.005),
        read_settings(kind="infonce", temperature=0.1),
        read_settings(kind="infonce", temperature=1.0),
    )


class TestInfoNCEByHand(ObjectiveContract):
    knows_its_gradient_in = frozenset({torch.float32, torch.float64})
    members = (
        read_settings(kind="infonce", temperature=0.05),
        read_settings(kind="infonce", temperature=0.1),
        read_settings(kind="infonce", temperature=1.0),
    )


class TestInfoNCEWithLearnedTemperature(ObjectiveContract):
    members = (
        read_settings(kind="infonce", temperature_mode="learnable", temperature=0.012),
        read_settings(kind="infonce", temperature_mode="learnable", temperature=0.1),
        read_settings(kind="infonce", temperature_mode="learnable", temperature=1.0),
    )


class TestNTXent(ObjectiveContract):
    members = (
        read_settings(kind="nt_xent", temperature=0.005),
        read_settings(kind="nt_xent", temperature=0.1),
        read_settings(kind="nt_xent", temperature=1.0),
    )


class TestSupCon(ObjectiveContract):
    members = (
        read_settings(kind="supcon", temperature=0.005),
        read_settings(kind="supcon", temperature=0.1),
        read_settings(kind="supcon", temperature=1.0),
    )


class TestSupConCrossView(ObjectiveContract):
    members = (
        read_settings(kind="supcon", variant="cross_view", temperature=0.1),
        read_settings(kind="supcon", variant="cross_view", temperature=0.5),
        read_settings(kind="supcon", variant="cross_view", temperature=1.0),
    )


class TestSupConWithFewLabels(ObjectiveContract):
    members = (
        read_settings(kind="supcon", temperature=0.1),
        read_settings(kind="supcon", temperature=0.1, label_fraction=0.5),
        read_settings(kind="supcon", temperature=1.0, label_fraction=0.0),
    )


class TestClop(ObjectiveContract):
    members = (
        read_settings(kind="clop", temperature=0.1),
        read_settings(kind="clop", temperature=0.5, **{"lambda": 0.1}),
        read_settings(kind="clop", prototypes="degraded", degrade_angle_degrees=40.0),
    )


class TestClopOnNTXentWithEuclideanDistance(ObjectiveContract):
    members = (
        read_settings(kind="clop", base="nt_xent", similarity="euclidean"),
        read_settings(kind="clop", base="nt_xent", similarity="euclidean", prototypes="random"),
        read_settings(kind="clop", base="nt_xent", similarity="euclidean", prototypes="etf"),
    )


class TestClopWithManhattanDistance(ObjectiveContract):
    members = (
        read_settings(kind="clop", similarity="manhattan", temperature=0.1),
        read_settings(kind="clop", similarity="manhattan", temperature=0.5),
        read_settings(kind="clop", similarity="manhattan", **{"lambda": 0.0}),
    )


class TestCL(ObjectiveContract):
    refuses: ClassVar[Refusals] = {"one pair": NoNegativeError}
    members = (
        read_settings(kind="cl", temperature=0.1),
        read_settings(kind="cl", temperature=0.5),
        read_settings(kind="cl", temperature=1.0),
    )


class TestCLWithThePositiveInTheDenominator(ObjectiveContract):
    refuses: ClassVar[Refusals] = {"one pair": NoNegativeError}
    members = (
        read_settings(kind="cl", positive_in_denominator=True, temperature=0.1),
        read_settings(kind="cl", positive_in_denominator=True, temperature=0.5),
        read_settings(kind="cl", positive_in_denominator=True, temperature=1.0),
    )


class TestNSCL(ObjectiveContract):
    refuses: ClassVar[Refusals] = {"one pair": NoNegativeError, "all labels equal": NoNegativeError}
    members = (
        read_settings(kind="nscl", temperature=0.1),
        read_settings(kind="nscl", temperature=0.5),
        read_settings(kind="nscl", temperature=1.0),
    )


class TestNSCLWithThePositiveInTheDenominator(ObjectiveContract):
    refuses: ClassVar[Refusals] = {"one pair": NoNegativeError, "all labels equal": NoNegativeError}
    members = (
        read_settings(kind="nscl", positive_in_denominator=True, temperature=0.1),
        read_settings(kind="nscl", positive_in_denominator=True, temperature=0.5),
        read_settings(kind="nscl", positive_in_denominator=True, temperature=1.0),
    )


class TestCrossEntropy(ObjectiveContract):
    members = (read_settings(kind="ce"), read_settings(kind="ce"), read_settings(kind="ce"))


class TestDCL(ObjectiveContract):
    refuses: ClassVar[Refusals] = {"one pair": NoNegativeError}
    members = (
        read_settings(kind="dcl", temperature=0.1),
        read_settings(kind="dcl", temperature=0.5),
        read_settings(kind="dcl", temperature=1.0),
    )


class TestWeightedDCL(ObjectiveContract):
    has_plain_gradient = False
    refuses: ClassVar[Refusals] = {"one pair": NoNegativeError}
    members = (
        read_settings(kind="dcl", weighting="von_mises_fisher", temperature=0.1),
        read_settings(kind="dcl", weighting="von_mises_fisher", temperature=0.5),
        read_settings(kind="dcl", weighting="von_mises_fisher", sigma=2.0),
    )


class TestVICReg(ObjectiveContract):
    is_blind_to_row_scale = False
    members = (
        read_settings(kind="vicreg"),
        read_settings(kind="vicreg", invariance_weight=1.0),
        read_settings(kind="vicreg", variance_weight=5.0, covariance_weight=0.1),
    )


class TestBarlowTwins(ObjectiveContract):
    is_blind_to_row_scale = False
    members = (
        read_settings(kind="barlow_twins"),
        read_settings(kind="barlow_twins", redundancy_weight=0.1),
        read_settings(kind="barlow_twins", redundancy_weight=0.0),
    )


class TestFocal(ObjectiveContract):
    members = (
        read_settings(kind="focal", temperature=0.1),
        read_settings(kind="focal", temperature=0.5, gamma=0.0, eta=10.0),
        read_settings(kind="focal", temperature=1.0, gamma=5.0, eta=0.0),
    )


class TestFocalNormalisedByViews(ObjectiveContract):
    members = (
        read_settings(kind="focal", normalizer="views", temperature=0.1),
        read_settings(kind="focal", normalizer="views", temperature=0.5, gamma=0.5),
        read_settings(kind="focal", normalizer="views", temperature=1.0, eta=300.0),
    )


class TestSigLIP(ObjectiveContract):
    members = (
        read_settings(kind="siglip"),
        read_settings(kind="siglip", scale=2.0),
        read_settings(kind="siglip", scale=50.0, bias=0.0),
    )


class TestSigLIPWithFixedScale(ObjectiveContract):
    members = (
        read_settings(kind="siglip", learnable=False),
        read_settings(kind="siglip", learnable=False, scale=2.0),
        read_settings(kind="siglip", learnable=False, scale=200.0, bias=-20.0),
    )


class TestStaticSVR(ObjectiveContract):
    members = (
        read_settings(kind="static_svr"),
        read_settings(kind="static_svr", temperature=0.2, alpha=0.1),
        read_settings(kind="static_svr", radius=0.0),
    )


class TestStaticSVRPerDirectionWithNormalisedSupport(ObjectiveContract):
    members = (
        read_settings(kind="static_svr", radius_mode="per_direction", normalize_sup=True),
        read_settings(
            kind="static_svr", radius_mode="per_direction", normalize_sup=True, radius=1.5
        ),
        read_settings(
            kind="static_svr", radius_mode="per_direction", normalize_sup=True, alpha=2.0
        ),
    )


class TestFixedSVRWithPenalty(ObjectiveContract):
    has_plain_gradient = False
    members = (
        read_settings(kind="static_svr", radius_mode="fixed", sides="uni", beta=0.1),
        read_settings(kind="static_svr", radius_mode="fixed", sides="uni", beta=0.1, radius=3.0),
        read_settings(kind="static_svr", radius_mode="fixed", sides="uni", beta=1.0, radius=-1.0),
    )


class TestSVRAtThePositive(ObjectiveContract):
    has_plain_gradient = False
    members = (
        read_settings(kind="static_svr", radius_mode="distance"),
        read_settings(kind="static_svr", radius_mode="distance", temperature=0.2),
        read_settings(kind="static_svr", radius_mode="distance", alpha=0.3),
    )


class TestSVRWithDetachedDirection(ObjectiveContract):
    has_plain_gradient = False
    members = (
        read_settings(kind="static_svr", detach_u=True),
        read_settings(kind="static_svr", detach_u=True, temperature=0.5),
        read_settings(kind="static_svr", detach_u=True, radius=1.0),
    )


class TestStaticSVRWithLearnedTemperature(ObjectiveContract):
    members = (
        read_settings(kind="static_svr", temperature_mode="learnable"),
        read_settings(kind="static_svr", temperature_mode="learnable", temperature=0.2, alpha=0.1),
        read_settings(kind="static_svr", temperature_mode="learnable", radius=0.0),
    )


class TestStaticSVROnSigLIP(ObjectiveContract):
    members = (
        read_settings(kind="static_svr", base="siglip"),
        read_settings(kind="static_svr", base="siglip", scale=2.0),
        read_settings(kind="static_svr", base="siglip", bias=-5.0, radius=1.0),
    )


class TestStaticSVROnSigLIPInInfoNCEForm(ObjectiveContract):
    members = (
        read_settings(kind="static_svr", base="siglip", form="infonce", learnable=False),
        read_settings(kind="static_svr", base="siglip", form="infonce", learnable=False, scale=2),
        read_settings(kind="static_svr", base="siglip", form="infonce", learnable=False, bias=-1),
    )


class TestDynamicSVR(ObjectiveContract):
    is_blind_to_row_order = False
    has_plain_gradient = False
    members = (
        read_settings(kind="dynamic_svr"),
        read_settings(kind="dynamic_svr", temperature=0.2, alpha=0.5),
        read_settings(kind="dynamic_svr", beta=0.0, radius=1.0),
    )


class TestDynamicSVRWithLearnedTemperature(ObjectiveContract):
    is_blind_to_row_order = False
    has_plain_gradient = False
    members = (
        read_settings(kind="dynamic_svr", temperature_mode="learnable"),
        read_settings(kind="dynamic_svr", temperature_mode="learnable", temperature=0.2),
        read_settings(kind="dynamic_svr", temperature_mode="learnable", radius=1.0),
    )


class TestDynamicSVROnSigLIP(ObjectiveContract):
    is_blind_to_row_order = False
    has_plain_gradient = False
    members = (
        read_settings(kind="dynamic_svr", base="siglip", sides="uni"),
        read_settings(kind="dynamic_svr", base="siglip", sides="uni", scale=2.0),
        read_settings(kind="dynamic_svr", base="siglip", sides="uni", alpha=0.1),
    )


class TestDynamicSVROfFrozenFeatures(ObjectiveContract):
    is_blind_to_row_order = False
    has_plain_gradient = False
    members = (
        read_settings(kind="dynamic_svr", similarities="offline"),
        read_settings(kind="dynamic_svr", similarities="offline", temperature=0.2, alpha=0.5),
        read_settings(kind="dynamic_svr", similarities="offline", beta=0.0, radius=1.0),
    )
