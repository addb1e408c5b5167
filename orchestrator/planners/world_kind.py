"""The simulated worlds by name; apart from what builds them, whose import takes a while."""

from enum import StrEnum


class WorldKind(StrEnum):
    """What a world is for.

    SMOOTH: hills over every axis, seeds 0.04 decade apart: how fast is a planner at its best?
    NOISY: the same with seeds 0.2 decade apart: does it repeat instead of bisecting one seed?
    UNEVEN: seeds 0.03 decade apart in some places, 0.3 in others: is either taken for all?
    LAPSES: one trial in twenty has a coin's label: does one wrong label send it astray?
    KINKED: the boundary breaks along one axis: is smoothness believed too much?
    CLIFF: the score falls within a tenth of a decade and says nothing farther away.
    REENTRANT: half a decade above the threshold trials are healthy again: is that seen?
    NONE: nothing collapses in the range: is that said, instead of a number?
    """

    SMOOTH = "smooth"
    NOISY = "noisy"
    UNEVEN = "uneven"
    LAPSES = "lapses"
    KINKED = "kinked"
    CLIFF = "cliff"
    REENTRANT = "reentrant"
    NONE = "none"
