"""The boundary search as an Optuna sampler: it looks for where a score crosses a level.

The objective returns the score, such as the effective rank; the study's direction is ignored.
Give each trial a seed of its own (``trial.number``). A trial that diverges raises
``optuna.TrialPruned``: it counts as beyond the boundary. Parameters that not every trial has, or
whose range changes, are drawn by the independent sampler and unknown to the model, as in
Optuna's own GPSampler; so is everything until one trial has finished.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.samplers import BaseSampler, RandomSampler
from optuna.search_space import intersection_search_space
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from orchestrator.planners.boundary_search import BoundarySearch, Observation, Setting
from orchestrator.planners.surface.space import BoundarySpace, NumberAxis, WordAxis
from orchestrator.planners.unit_scale import Numeric, from_unit, to_unit
from search_spaces.point import Point, Value

ASKED = "rankfall:asked"
LINEAR_DECADES = 4.0
"""A learning-rate range that is not logarithmic is searched as if it were this long."""

SEEDS = 2**20
"""More than trials: every trial has a seed of its own."""

_FINISHED = (TrialState.COMPLETE, TrialState.PRUNED)


@dataclass(frozen=True, slots=True)
class SampledBoundary:
    """Where the score crosses the level, as learning rates.

    Attributes:
        median: Posterior median.
        lo: Lower end of the 95 % band; it may lie outside the range, and so may the others.
        hi: Its upper end.
        p_above: Probability that the crossing lies above the range.
        p_below: Likewise below it.
    """

    median: float
    lo: float
    hi: float
    p_above: float
    p_below: float


class BoundarySampler(BaseSampler):
    """Samples where the score's crossing of a level is least known.

    Args:
        lr: Name of the parameter whose critical value is looked for: a float or an integer
            range, preferably logarithmic. Larger values lie beyond the boundary.
        level: The score is healthy at and above it; above 0. Scores at or below 0 count as far
            below.
        seed: Seed of the candidate places and of independent sampling; None draws one.
        independent_sampler: For what is not modelled; random by default.

    Raises:
        ValueError: If the level is not positive and finite.
    """

    def __init__(
        self,
        lr: str = "lr",
        level: float = 2.0,
        seed: int | None = None,
        independent_sampler: BaseSampler | None = None,
    ) -> None:
        if not 0.0 < level < math.inf:
            raise ValueError(f"level must be positive and finite, got {level}")
        self._lr = lr
        self._level = level
        self._seed = np.random.SeedSequence(seed).generate_state(1)[0].item() % 2**31
        self._independent = independent_sampler or RandomSampler(seed)

    def reseed_rng(self) -> None:
        """Reseed the independent sampler, as Optuna asks of parallel workers."""
        self._independent.reseed_rng()

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Return what finished trials have in common; nothing if the learning rate is not."""
        return self._find_space(study)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Return the next place and learning rate; any place without a learning-rate range."""
        self._raise_error_if_multi_objective(study)
        if not _is_range(search_space.get(self._lr)):
            return {
                name: self.sample_independent(study, trial, name, kind)
                for name, kind in search_space.items()
            }
        codec = _Codec(self._lr, search_space)
        search = self._tell_all(study, codec)
        running = study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        others = [known for known in running if known.number != trial.number]
        pending = [codec.setting(o, p) for o in others if (p := codec.asked(o)) is not None]
        params = codec.params(search.ask(1, pending)[0])
        # So that others see it before the objective has suggested anything.
        study._storage.set_trial_system_attr(trial._trial_id, ASKED, params)
        return params

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """Return a value from the independent sampler."""
        self._raise_error_if_multi_objective(study)
        return self._independent.sample_independent(study, trial, param_name, param_distribution)

    def boundary(self, study: Study, place: Mapping[str, Any] | None = None) -> SampledBoundary:
        """Return the boundary at a place.

        Args:
            study: The study with its finished trials.
            place: Values of the other parameters that every trial has, by name.

        Raises:
            ValueError: If no trial has finished with a learning-rate range, or the place has
                other parameters, or a value outside its distribution.
        """
        space = self._find_space(study)
        if not space:
            raise ValueError(
                f"no finished trial has suggested {self._lr!r} as a range; run some trials first"
            )
        codec = _Codec(self._lr, space)
        found = self._tell_all(study, codec).posterior([codec.place(place or {})])[0]
        return SampledBoundary(
            median=codec.rate(found.median),
            lo=codec.rate(found.lo),
            hi=codec.rate(found.hi),
            p_above=found.p_above,
            p_below=found.p_below,
        )

    def _find_space(self, study: Study) -> dict[str, BaseDistribution]:
        trials = study.get_trials(deepcopy=False, states=_FINISHED)
        common = intersection_search_space(trials, include_pruned=True)
        space = {name: kind for name, kind in common.items() if not kind.single()}
        return space if _is_range(space.get(self._lr)) else {}

    def _tell_all(self, study: Study, codec: "_Codec") -> BoundarySearch:
        search = BoundarySearch(codec.space, self._level, self._seed)
        for trial in study.get_trials(deepcopy=False, states=_FINISHED):
            if codec.covers(trial.params):
                search.tell(codec.setting(trial, trial.params), self._observe(trial))
        return search

    def _observe(self, trial: FrozenTrial) -> Observation:
        is_diverged = trial.state is TrialState.PRUNED
        score = 0.0 if is_diverged or trial.value is None else float(trial.value)
        score = min(max(score, 0.0), 1e6 * self._level)
        return Observation(score, score < self._level, is_diverged)


class _Codec:
    """Parameters of Optuna's as places and log10 learning rates of the search, and back."""

    def __init__(self, lr: str, space: Mapping[str, BaseDistribution]) -> None:
        kind = space[lr]
        assert isinstance(kind, Numeric)
        self._lr, self._kind = lr, kind
        self._others = {name: other for name, other in sorted(space.items()) if name != lr}
        low, high = 0.0, LINEAR_DECADES
        if kind.log:
            low, high = math.log10(kind.low), math.log10(kind.high)
        self._low, self._decades = low, high - low
        axes = tuple(_axis(name, other) for name, other in self._others.items())
        self.space = BoundarySpace(low, high, axes, replicates=SEEDS)

    def covers(self, params: Mapping[str, Any]) -> bool:
        """Whether the parameters have every axis, with a value on it."""
        kinds: dict[str, BaseDistribution] = {self._lr: self._kind, **self._others}
        return all(_lies_on(kind, params, name) for name, kind in kinds.items())

    def asked(self, trial: FrozenTrial) -> Mapping[str, Any] | None:
        """Return what a running trial was given, if it can be placed."""
        params = {**trial.system_attrs.get(ASKED, {}), **trial.params}
        return params if self.covers(params) else None

    def setting(self, trial: FrozenTrial, params: Mapping[str, Any]) -> Setting:
        """Return a trial as the search knows it."""
        share = to_unit(self._kind, float(params[self._lr]))
        x = self._low + share * self._decades
        return Setting(self._place(params), x, trial.number)

    def params(self, setting: Setting) -> dict[str, Any]:
        """Return the parameters of a setting that the search asks for."""
        share = (setting.x - self._low) / self._decades
        found: dict[str, Any] = {self._lr: from_unit(self._kind, share)}
        for name, value in setting.place.coordinates:
            kind = self._others[name]
            if isinstance(kind, CategoricalDistribution):
                found[name] = kind.choices[int(value)]
            else:
                assert isinstance(kind, Numeric)
                found[name] = from_unit(kind, float(value))
        return found

    def place(self, values: Mapping[str, Any]) -> Point:
        """Return a user's place.

        Raises:
            ValueError: As ``BoundarySampler.boundary``.
        """
        if values.keys() != self._others.keys():
            raise ValueError(
                f"expected values for {_list(self._others)}, got {_list(values)}: the boundary "
                f"over {self._lr!r} is known where every other parameter is given"
            )
        for name, kind in self._others.items():
            if not _lies_on(kind, values, name):
                raise ValueError(f"{name}: {values[name]!r} is not on {kind}")
        return self._place(values)

    def rate(self, x: float) -> float:
        """Return the learning rate at a position, within the range or beyond it."""
        if self._kind.log:
            return float(10.0**x)
        share = (x - self._low) / self._decades
        return float(self._kind.low + share * (self._kind.high - self._kind.low))

    def _place(self, params: Mapping[str, Any]) -> Point:
        coordinates: dict[str, Value] = {}
        for name, kind in self._others.items():
            if isinstance(kind, CategoricalDistribution):
                coordinates[name] = int(kind.to_internal_repr(params[name]))
            else:
                assert isinstance(kind, Numeric)
                coordinates[name] = to_unit(kind, float(params[name]))
        return Point.of(coordinates)


def _axis(name: str, kind: BaseDistribution) -> NumberAxis | WordAxis:
    if isinstance(kind, CategoricalDistribution):
        return WordAxis(name, tuple(range(len(kind.choices))))
    return NumberAxis(name, 0.0, 1.0)


def _is_range(kind: BaseDistribution | None) -> bool:
    return isinstance(kind, Numeric) and not kind.single()


def _lies_on(kind: BaseDistribution, params: Mapping[str, Any], name: str) -> bool:
    if name not in params:
        return False
    if isinstance(kind, CategoricalDistribution):
        return params[name] in kind.choices
    assert isinstance(kind, Numeric)
    value = params[name]
    return isinstance(value, int | float) and kind.low <= value <= kind.high


def _list(names: Sequence[str] | Mapping[str, Any]) -> str:
    return ", ".join(sorted(names)) or "none"
