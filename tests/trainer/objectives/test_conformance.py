"""Every kind of objective inherits the contract."""

from collections.abc import Mapping
from typing import ClassVar

from tests.contracts.objective import ObjectiveContract, read_settings
from trainer.errors import NoNegativeError

Refusals = Mapping[str, type[Exception]]


class TestInfoNCE(ObjectiveContract):
    members = (
        read_settings(kind="infonce", temperature=0.1),
        read_settings(kind="infonce", temperature=0.5),
        read_settings(kind="infonce", temperature=1.0),
    )


class TestNTXent(ObjectiveContract):
    members = (
        read_settings(kind="nt_xent", temperature=0.1),
        read_settings(kind="nt_xent", temperature=0.5),
        read_settings(kind="nt_xent", temperature=1.0),
    )


class TestSupCon(ObjectiveContract):
    members = (
        read_settings(kind="supcon", temperature=0.1),
        read_settings(kind="supcon", temperature=0.5),
        read_settings(kind="supcon", temperature=1.0),
    )


class TestSupConCrossView(ObjectiveContract):
    members = (
        read_settings(kind="supcon", variant="cross_view", temperature=0.1),
        read_settings(kind="supcon", variant="cross_view", temperature=0.5),
        read_settings(kind="supcon", variant="cross_view", temperature=1.0),
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
