"""Learning rates by step: where they start, what they reach, when they stop changing."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from trainer.optimizers.rates import Rate, Rates

ANY_RATE = st.builds(
    Rate,
    lr=st.floats(1e-5, 1e3),
    warmup_steps=st.integers(0, 30),
    schedule=st.sampled_from(["constant", "cosine"]),
)


def factors(rate: Rate, steps: int) -> list[float]:
    return [rate.factor(step, steps) for step in range(steps)]


def test_a_warm_up_climbs_in_equal_steps_to_the_full_rate() -> None:
    assert factors(Rate(1.0, warmup_steps=4), 6) == [0.25, 0.5, 0.75, 1.0, 1.0, 1.0]


def test_a_cosine_falls_from_one_to_zero_over_the_steps() -> None:
    assert factors(Rate(1.0, schedule="cosine"), 4) == pytest.approx(
        [1.0, (1 + 0.5**0.5) / 2, 0.5, (1 - 0.5**0.5) / 2]
    )
    assert Rate(1.0, schedule="cosine").factor(4, 4) == 0.0


def test_after_the_warm_up_the_cosine_has_the_steps_that_are_left() -> None:
    both = factors(Rate(1.0, warmup_steps=5, schedule="cosine"), 15)
    assert both[5:] == factors(Rate(1.0, schedule="cosine"), 10)


def test_a_warm_up_longer_than_the_training_is_cut_off() -> None:
    rate = Rate(1.0, warmup_steps=8, schedule="cosine")
    assert factors(rate, 3) == [1 / 8, 2 / 8, 3 / 8]
    assert rate.factor(8, 8) == 1.0  # no division by zero where nothing is left


@given(rate=ANY_RATE, steps=st.integers(1, 60))
def test_factors_are_shares_that_rise_and_then_never_rise_again(rate: Rate, steps: int) -> None:
    shares = factors(rate, steps)
    assert all(0 < share <= 1 for share in shares)
    top = max(rate.warmup_steps - 1, 0)
    assert shares[: top + 1] == sorted(shares[: top + 1])
    assert shares[top:] == sorted(shares[top:], reverse=True)


@given(rates=st.lists(ANY_RATE, min_size=1, max_size=5), steps=st.integers(1, 40))
def test_each_members_rates_are_its_own_at_any_step(rates: list[Rate], steps: int) -> None:
    ours = Rates(rates, steps, torch.device("cpu"), torch.float64)
    for step in range(steps):
        expected = [rate.lr * rate.factor(step, steps) for rate in rates]
        assert ours.lr(step).tolist() == expected


def test_a_member_without_decay_is_untouched_by_that_of_others() -> None:
    rates = [Rate(1.0, weight_decay=0.5), Rate(1.0)]
    ours = Rates(rates, 1, torch.device("cpu"), torch.float64)
    parameter = torch.tensor([[2.0], [torch.inf]], dtype=torch.float64)
    gradient = torch.tensor([[3.0], [-0.0]], dtype=torch.float64)
    decayed = ours.decayed(gradient, parameter)
    assert decayed.tolist() == [[4.0], [0.0]]
    assert decayed[1].signbit().all(), "not even the sign of a zero"
