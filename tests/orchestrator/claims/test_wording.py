"""How findings are said: points, factors, degrees, slopes, and what must be added."""

import pytest

from orchestrator.claims.result import ArmValues, ContrastResult
from orchestrator.claims.wording import find_residual, say_expectation, say_finding, say_p


def finding(measure: str, mean: float | None, low: float | None, **more: object) -> ContrastResult:
    given: dict[str, object] = {
        "label": "c",
        "measure": measure,
        "is_slope": False,
        "expect": "above",
        "target": 0.0,
        "margin": None,
        "seeds": (0, 1),
        "arms": (),
        "values": (),
        "mean": mean,
        "low": low,
        "high": None if low is None or mean is None else 2 * mean - low,
        "p_support": 1.0,
        "p_against": 1.0,
        "censored": 0,
        "dropped": 0,
    }
    return ContrastResult.model_validate({**given, **more})


TWO_ARMS = (
    ArmValues(label="a", at=None, values=(1.0, 1.0)),
    ArmValues(label="b", at=None, values=(0.0, 0.0)),
)


@pytest.mark.parametrize(
    ("contrast", "said"),
    [
        (finding("probe_accuracy", 0.021, 0.014), "+2.1 points [+1.4, +2.8]"),
        (finding("critical_lr", 1.0, 0.0, arms=TWO_ARMS), "×10 [1, 100]"),
        (finding("critical_lr", 1.0, -500.0), "10 [1e-99, 1e+99]"),
        (finding("critical_lr", 1.25, 1.0, is_slope=True), "1.25 [1, 1.5]"),
        (finding("angle_excess", -8.0, -9.0), "-8 degrees [-9, -7]"),
        (finding("cka_features", 0.1, 0.05), "+0.1 [+0.05, +0.15]"),
        (finding("cka_features", 0.1, None), "+0.1 (too few seeds for an interval)"),
        (finding("cka_features", None, None), "no seed counts"),
    ],
)
def test_a_finding_has_the_unit_of_its_measure(contrast: ContrastResult, said: str) -> None:
    assert say_finding(contrast) == said


def test_an_expectation_is_a_side_or_a_range() -> None:
    assert say_expectation(finding("probe_accuracy", 0.1, 0.0)) == "above +0.0 points"
    near = finding("probe_accuracy", 0.0, 0.0, expect="near", margin=0.02)
    assert say_expectation(near) == "within -2.0 to +2.0"


def test_the_residual_is_that_of_the_means_from_their_line() -> None:
    arms = tuple(ArmValues(label=str(x), at=x, values=(x + e, x - e)) for x, e in
                 ((1.0, 0.5), (2.0, 0.1), (3.0, 0.0)))  # fmt: skip
    straight = finding("cka_features", 1.0, 0.9, is_slope=True, arms=arms)
    assert find_residual(straight) == pytest.approx(0.0, abs=1e-12)
    bent = (*arms, ArmValues(label="4", at=4.0, values=(5.0, 5.0)))
    # The least-squares line through 1, 2, 3, 5 is -0.5 + 1.3 x.
    expected = ((0.2**2 + 0.1**2 + 0.4**2 + 0.3**2) / 4) ** 0.5
    assert find_residual(straight.model_copy(update={"arms": bent})) == pytest.approx(expected)
    assert find_residual(straight.model_copy(update={"arms": arms[:2]})) is None


def test_a_p_value_has_two_digits() -> None:
    assert (say_p(0.001953125), say_p(None)) == ("0.002", "-")
