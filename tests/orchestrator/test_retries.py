"""Lost attempts: those count that did not begin further than the ones before."""

from orchestrator.retries import Retries

LOST = {"pack": "a lost node"}


def lose(retries: Retries, began: int | None) -> bool:
    """Lose an attempt that began there, None before it told so; return whether it counts."""
    if began is not None:
        retries.note({"pack": began})
    counted = retries.count(LOST)
    assert counted in ({}, LOST)
    return counted == LOST


def test_a_pack_that_gets_on_may_be_lost_any_number_of_times() -> None:
    retries = Retries()
    assert lose(retries, 0)
    assert [lose(retries, began) for began in (10, 30, 31, 500)] == [False] * 4


def test_a_pack_that_always_dies_at_one_place_counts_every_time() -> None:
    retries = Retries()
    assert [lose(retries, began) for began in (0, 40, 40, 40)] == [True, False, True, True]


def test_an_attempt_that_began_further_back_counts() -> None:
    retries = Retries()
    assert [lose(retries, began) for began in (40, 0, 40, 41)] == [False, True, True, False]


def test_an_attempt_that_never_began_counts() -> None:
    retries = Retries()
    assert [lose(retries, began) for began in (40, None, None)] == [False, True, True]


def test_packs_are_counted_apart() -> None:
    retries = Retries()
    retries.note({"a": 5, "b": 0})
    assert retries.count({"a": "lost", "b": "lost"}) == {"b": "lost"}
