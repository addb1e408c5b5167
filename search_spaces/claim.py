"""A claim: a sentence from a paper, the study that tests it, and what would decide it.

A claim file names the study and its sizes, and the contrasts: numbers that each paired seed
yields (a difference of two arms, a slope along an axis, a level), and where their mean has to
lie. What the numbers then say is decided in one place, ``orchestrator.claims.verdict``.
"""

import re
from collections.abc import Mapping
from typing import Annotated, Literal, Self, get_args

from pydantic import AfterValidator, Field, model_validator

from search_spaces.claim_size import Size
from search_spaces.header import check_name
from search_spaces.measures import Measure, RetrievalMeasure
from search_spaces.point import Value
from trainer.settings import Frozen

_IS_RECALL = re.compile("(text_to_audio|audio_to_text|recall|zero_shot)_")
SELECTED = "selected_"
SELECTABLE_MEASURES = tuple(name for name in get_args(RetrievalMeasure) if _IS_RECALL.match(name))

DERIVED_MEASURES = (
    "critical_lr",
    "critical_lr_over_temperature",
    "weight_gap_growth",
    "angle_excess",
    "cka_shared_excess",
    "drift_step_text_mean",
    "drift_step_audio_mean",
    "drift_grad_text_mean",
    "drift_grad_audio_mean",
    "early_recall",
    "radius_growth",
    "pair_distance_growth",
    *(SELECTED + name for name in SELECTABLE_MEASURES),
)
"""What a claim may measure besides the outcomes' own measures.

``critical_lr``: log10 of the learning rate at which the seed's trials of a slice collapse.
``critical_lr_over_temperature``: that minus log10 of the temperature.
``weight_gap_growth``: the last weight gap to the reference minus that at a quarter of training.
``angle_excess``: degrees between the weights of member and reference minus degrees between their
features, arccos(CKA).
``cka_shared_excess``: CKA of features with the reference that shares weights and batches minus CKA
with that of another seed.
``drift_..._mean``: the mean over the checks of training. ``early_recall``: the mean of
``val_recall_at_1`` over the checks of the first quarter. ``..._growth`` of radius and distance: at
the end minus before the first step. ``selected_...`` of a retrieval measure: on the test clips at
the check whose ``val_recall_at_1`` is highest, as one would stop training there.
"""

THRESHOLD_MEASURES = frozenset({"critical_lr", "critical_lr_over_temperature"})


def check_measure(measure: str) -> str:
    """Return the measure if there is one of that name.

    Raises:
        ValueError: If there is none.
    """
    known = (*get_args(Measure), *DERIVED_MEASURES)
    if measure not in known:
        raise ValueError(f"expected one of {', '.join(known)}")
    return measure


Arm = dict[str, Value]
"""Coordinates by axis path. Axes that are left free are averaged over, seed by seed."""


class Contrast(Frozen):
    """One number a seed, and where its mean has to lie if the claim holds.

    ``of`` alone is a level; with ``minus`` the difference of two arms; with ``along`` the
    least-squares slope along an axis, per decade (``log: false``: per unit). ``expect: above``
    or ``below`` the ``target``, or ``near`` it: within ``margin``, by two one-sided tests.
    """

    label: str
    measure: Annotated[str, AfterValidator(check_measure)]
    of: Arm = Field(default_factory=dict)
    minus: Arm | None = None
    along: str | None = None
    log: bool = True
    expect: Literal["above", "below", "near"]
    target: float = 0.0
    margin: Annotated[float, Field(gt=0.0)] | None = None

    @model_validator(mode="after")
    def _check_parts(self) -> Self:
        if self.minus is not None and self.along is not None:
            raise ValueError("expected minus or along, got both; a slope is of one arm")
        if (self.expect == "near") != (self.margin is not None):
            raise ValueError("margin belongs to expect: near, and to that alone")
        return self


class Bound(Frozen):
    """A measure that may never be negative: at no check of any trial; no statistics."""

    label: str
    measures: Annotated[tuple[str, ...], Field(min_length=1)]
    tolerance: Annotated[float, Field(ge=0.0)] = 1e-6


class Claim(Frozen):
    """One claim and how it is tested.

    ``figure``: the paper's number or figure. ``study``: a study that ships with Rankfall, its
    file being the full size; ``quick`` and ``paper`` are overrides of it. ``contrasts`` must all
    hold; ``also`` are reported and decide nothing. ``differs``: what differs from the paper.
    """

    claim: Annotated[str, AfterValidator(check_name)]
    paper: str
    sentence: str
    figure: str
    study: Annotated[str, AfterValidator(check_name)]
    quick: tuple[str, ...]
    paper_scale: tuple[str, ...]
    contrasts: tuple[Contrast, ...] = ()
    bound: Bound | None = None
    also: tuple[Contrast, ...] = ()
    differs: str

    @model_validator(mode="after")
    def _check_decision(self) -> Self:
        if bool(self.contrasts) == (self.bound is not None):
            raise ValueError("expected contrasts or a bound to decide by, one of the two")
        return self

    def overrides(self, size: Size, seed: int = 0) -> tuple[str, ...]:
        """Return the study's overrides at a size; every size and seed is a study of its own."""
        sized = {Size.QUICK: self.quick, Size.FULL: (), Size.PAPER: self.paper_scale}[size]
        name = self.study if size is Size.FULL else f"{self.study}-{size}"
        if seed:
            return (*sized, f"study={name}-seed{seed}", f"seed={seed}")
        return sized if size is Size.FULL else (*sized, f"study={name}")

    @property
    def measures(self) -> Mapping[str, None]:
        """Return the measures its contrasts look at, in order."""
        return dict.fromkeys(c.measure for c in (*self.contrasts, *self.also))
