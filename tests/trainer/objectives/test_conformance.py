"""Every kind of objective inherits the contract."""

from tests.contracts.objective import ObjectiveContract, read_settings


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
