"""A study: the question, what it varies, what it holds fixed, and what it may spend."""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import Annotated, Literal

from pydantic import Field

from search_spaces.axis import Axis, RangeAxis
from search_spaces.canonical import describe_axis, digest_of, drop_unsaid, flatten, nest
from search_spaces.errors import PointError
from search_spaces.measures import Measure
from search_spaces.point import Point, Value
from search_spaces.prior_boundary import PriorBoundary
from search_spaces.schema import objective_paths
from trainer.settings import CollapseSettings, EvaluateSettings, Frozen
from trainer.trial_settings import TrialSettings

KIND = "objective.kind"
LR = "lr"

Plain = Value | tuple[int, ...] | tuple[str, ...] | None


class Question(StrEnum):
    """What a study asks."""

    BOUNDARY = "boundary"
    OPTIMISE = "optimise"
    GRID = "grid"


class PlannerKind(StrEnum):
    """Who proposes the trials."""

    SURFACE = "surface"
    BISECT = "bisect"
    GRID = "grid"
    TPE = "tpe"
    QMC = "qmc"


class PrunerKind(StrEnum):
    """Who ends trials that others are ahead of."""

    ASHA = "asha"
    HYPERBAND = "hyperband"


class Budget(Frozen):
    """What a study may spend, whichever ends first, and the band it may stop at.

    ``trial_steps``: optimiser steps over all trials, never exceeded; trials decided early take
    fewer than they might. ``seconds``: training time over all trials, each trial's share of its
    cohort; looked at between rounds, so a part of the last round may exceed it.
    ``band_decades``: a boundary study stops when every slice's band is at most this wide
    (decades of learning rate).
    """

    trials: Annotated[int, Field(ge=1)]
    trial_steps: Annotated[int, Field(ge=1)] | None = None
    seconds: Annotated[float, Field(gt=0.0)] | None = None
    band_decades: Annotated[float, Field(gt=0.0)] = 0.1


class OptimiseSettings(Frozen):
    """Which final measure ``question: optimise`` looks at, and which way is better."""

    metric: Measure
    direction: Literal["maximize", "minimize"]


class AlignSettings(Frozen):
    """Which objective kind the others are compared with over training.

    Trials that are equal in everything but ``objective.kind`` form a couple. A trial whose kind
    lacks an axis of the reference's is compared with the reference at that axis's lowest value.

    ``unshared`` is the control: when they end, all of them, references too, are also compared
    with the reference of the next replicate, which shares neither initial weights nor batches.
    """

    reference: str
    unshared: bool = False


@dataclass(frozen=True)
class Study:
    """A validated study.

    Two studies are equal when they ask the same; how the file was written does not count.

    Attributes:
        name: Also the name of its folder: letters, digits, dashes, underscores.
        axes: What is varied, sorted by path.
        fixed: Every other setting the file gives, by dotted path, sorted by path. One that
            only some objective kinds know is used for those.
        replicates: Trials per point, each with a seed of its own (``seeds`` in the file).
        seed: What all seeds derive from.
        source_text: The YAML exactly as written, without the overrides.
        align: Set if trials of different kinds are compared over training.
        overrides: ``--set`` overrides, ``path=value`` each, in order. The file and these
            together are the study: ``parse_study(source_text, name, overrides)`` repeats it.
        prior: Name of the study whose boundary is this one's prior.
        seeds_from: Name that the replicates' seeds derive from in place of this study's own.
        pruner: Who ends trials early that do worse than others; None: nobody.
        start: That boundary, once it is known: the ledger keeps it, no file says it.
    """

    name: str
    question: Question
    planner: PlannerKind
    axes: tuple[Axis, ...]
    fixed: tuple[tuple[str, Plain], ...]
    replicates: int
    seed: int
    budget: Budget
    collapse: CollapseSettings
    optimise: OptimiseSettings | None
    source_text: str = field(compare=False, repr=False)
    overrides: tuple[str, ...] = field(default=(), compare=False)
    align: AlignSettings | None = None
    evaluate: EvaluateSettings = field(default_factory=EvaluateSettings)
    prior: str | None = None
    start: PriorBoundary | None = field(default=None, compare=False, repr=False)
    seeds_from: str | None = None
    pruner: PrunerKind | None = None

    @cached_property
    def digest(self) -> str:
        """What identifies the study: 12 hexadecimal characters.

        Covers every setting that shapes a trial, defaults included, so that a changed default
        never continues an old ledger; a setting that is new, at the value that was meant before
        there was one, does (:data:`~search_spaces.canonical.MEANT_BEFORE`). Leaves out the
        budget: raising it continues the study.
        Of the prior, only its name counts: what that study had found is written down once.
        """
        named = {"prior": self.prior, "seeds_from": self.seeds_from, "pruner": self.pruner}
        return digest_of(
            {
                **{key: name for key, name in named.items() if name is not None},
                "study": self.name,
                "question": self.question,
                "planner": self.planner,
                "seeds": self.replicates,
                "seed": self.seed,
                "optimise": self.optimise and self.optimise.model_dump(mode="json"),
                "align": self.align and self.align.model_dump(mode="json", exclude_defaults=True),
                "axes": {axis.path: describe_axis(axis) for axis in self.axes},
                "settings": {kind: self._settings_off_axes(kind) for kind in self.kinds},
            }
        )

    @property
    def kinds(self) -> tuple[str, ...]:
        """Objective kinds in the study, in file order."""
        for axis in self.axes:
            if axis.path == KIND:
                return tuple(str(kind) for kind in axis.grid())
        return (str(dict(self.fixed)[KIND]),)

    @property
    def lr_axis(self) -> RangeAxis | None:
        """The learning rate's axis when it is a range; None for a list or one value."""
        for axis in self.axes:
            if axis.path == LR and isinstance(axis, RangeAxis):
                return axis
        return None

    def axes_for(self, kind: str) -> tuple[Axis, ...]:
        """Return the axes that apply to an objective kind, ``objective.kind`` included."""
        return tuple(axis for axis in self.axes if axis.kinds is None or kind in axis.kinds)

    def slices(self) -> tuple[Point, ...]:
        """Return the grid over every axis but ``lr``: kind by kind, the last axis fastest.

        A study that varies nothing but ``lr`` has one slice, the point without coordinates.
        """
        return tuple(point for kind in self.kinds for point in self._slices_of(kind))

    def corner(self, kind: str) -> Point:
        """Return the point of an objective kind that is lowest, or first, on every axis."""
        axes = self.axes_for(kind)
        return Point.of({a.path: kind if a.path == KIND else a.grid()[0] for a in axes})

    def reference_of(self, point: Point) -> Point | None:
        """Return the point that a point is compared with; None in a study without ``align``.

        That of the reference's kind with the same coordinates, the lowest or first where the
        point has none. A reference is its own.
        """
        if self.align is None:
            return None
        kind, given = self.align.reference, dict(point.coordinates)
        corner = dict(self.corner(kind).coordinates)
        return Point.of({p: v if p == KIND else given.get(p, v) for p, v in corner.items()})

    def settings_at(self, point: Point) -> TrialSettings:
        """Return the settings of a trial at a point.

        Raises:
            PointError: If the point's coordinates are not the axes that apply to its kind.
            pydantic.ValidationError: If a coordinate is out of its setting's range.
        """
        coordinates = dict(point.coordinates)
        kind = self._kind_at(coordinates)
        expected = {axis.path for axis in self.axes_for(kind)}
        if coordinates.keys() != expected:
            raise PointError(
                f"a point of study {self.name} for objective {kind} has the coordinates "
                f"{_listing(expected)}; got {_listing(coordinates)}"
            )
        applicable = {path: v for path, v in self.fixed if _applies(path, kind)}
        tree = nest({**applicable, **coordinates}.items())
        return TrialSettings.model_validate(
            {**tree, "collapse": self.collapse, "evaluate": self.evaluate}
        )

    def _kind_at(self, coordinates: Mapping[str, Value]) -> str:
        kind = str(coordinates.get(KIND, self.kinds[0]))
        if kind not in self.kinds:
            raise PointError(
                f"study {self.name} has no objective {kind}; it has {_listing(self.kinds)}"
            )
        return kind

    def _slices_of(self, kind: str) -> list[Point]:
        axes = [axis for axis in self.axes_for(kind) if axis.path != LR]
        grids = [(kind,) if axis.path == KIND else axis.grid() for axis in axes]
        paths = [axis.path for axis in axes]
        return [
            Point.of(dict(zip(paths, values, strict=True))) for values in itertools.product(*grids)
        ]

    def _settings_off_axes(self, kind: str) -> dict[str, object]:
        """Return one kind's settings, defaults filled in, without what is on an axis."""
        corner = self.corner(kind)
        settings = self.settings_at(corner).model_dump(mode="json", by_alias=True)
        on_axes = dict(corner.coordinates)
        said = drop_unsaid(flatten(settings))
        return {path: v for path, v in said.items() if path not in on_axes}


def _applies(path: str, kind: str) -> bool:
    return not path.startswith("objective.") or path in objective_paths(kind)


def _listing(names: "Mapping[str, object] | set[str] | tuple[str, ...]") -> str:
    return ", ".join(sorted(names)) or "none"
