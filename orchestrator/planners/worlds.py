"""From the name of a world to a collapse surface over a study's own axes, drawn by seed.

Each asks something else of a planner, and tests, the benchmark and ``rankfall simulate`` share
them. Whatever the world, the thresholds are laid so that every slice of the study crosses at
least ``MARGIN_DECADES`` inside its learning-rate range (NONE: nowhere in it).
"""

from dataclasses import replace
from math import log10
from typing import assert_never

import numpy as np

from orchestrator.planners.relief import Relief
from orchestrator.planners.simulated import Surface
from orchestrator.planners.world_kind import WorldKind
from search_spaces.axis import RangeAxis
from search_spaces.point import Value
from search_spaces.study import LR, Study

MARGIN_DECADES = 0.5
SEED_NOISE_DECADES = 0.04
UNEVEN_NOISE_DECADES = 0.1
UNEVEN_HEIGHT, UNEVEN_LENGTH = 0.5, 0.4  # log10 of a factor on the seed noise; share of an axis
FALL_SOFTNESS, CLIFF_SOFTNESS = 0.27, 0.02
UNEVEN_SEEDS = 1_000_003  # added to a world's seed: hills of the noise, not the boundary's
LAYING_SLICES = 400  # more than these are not looked at when a world is laid


def build_world(
    kind: WorldKind, study: Study, seed: int, seed_noise: float | None = None
) -> Surface:
    """Return the world of a kind over a study's axes; equal arguments give equal worlds.

    Args:
        kind: What is asked of the planner.
        study: Gives the axes, the collapse level and the learning-rate range.
        seed: Which of the kind's worlds.
        seed_noise: Standard deviation of the threshold over seeds in decades, at least 0;
            None takes the kind's own.

    Raises:
        ValueError: If the study has no learning-rate range.
    """
    if study.lr_axis is None:
        raise ValueError(f"study {study.name} has no learning-rate range, so no boundary")
    plain = _draw_plain(study, seed)
    noise = SEED_NOISE_DECADES if seed_noise is None else seed_noise
    world = replace(plain, seed_noise=noise)
    match kind:
        case WorldKind.SMOOTH:
            pass
        case WorldKind.NOISY:
            world = replace(world, seed_noise=0.2 if seed_noise is None else seed_noise)
        case WorldKind.UNEVEN:
            own = UNEVEN_NOISE_DECADES if seed_noise is None else seed_noise
            world = replace(world, seed_noise=own, unevenness=_draw_unevenness(study, seed))
        case WorldKind.LAPSES:
            world = replace(world, lapse=0.05)
        case WorldKind.KINKED:
            world = replace(world, kinks=_draw_kink(study, seed))
        case WorldKind.CLIFF:
            world = replace(world, softness=CLIFF_SOFTNESS)
        case WorldKind.REENTRANT:
            world = replace(world, healthy_again=(0.5, 1.0))
        case WorldKind.NONE:
            return _lift_out(world, study, study.lr_axis)
        case _ as never:
            assert_never(never)
    return _lay(world, study, study.lr_axis, seed)


def _draw_plain(study: Study, seed: int) -> Surface:
    draw = np.random.default_rng([seed, 1])
    others = tuple(axis for axis in study.axes if axis.path != LR)
    slopes = {a.path: float(draw.normal(0.0, 0.6)) / _decades(a) for a in _log_ranges(study)}
    offsets: dict[tuple[str, Value], float] = {
        (axis.path, value): float(draw.normal(0.0, 0.4))
        for axis in others
        if not isinstance(axis, RangeAxis)
        for value in axis.values
        if isinstance(value, str | bool)
    }
    return Surface(
        slopes=slopes,
        offsets=offsets,
        relief=Relief(others, seed=seed),
        jitter=0.01,
        score_noise=0.05,
        softness=FALL_SOFTNESS,
        level=study.collapse.below,
        seed=seed,
    )


def _draw_kink(study: Study, seed: int) -> dict[str, tuple[float, float]]:
    """Break the first logarithmic axis somewhere in its middle, by 1.2 to 2 decades in all."""
    draw = np.random.default_rng([seed, 2])
    for axis in _log_ranges(study)[:1]:
        share, bend = draw.uniform(0.3, 0.7), draw.uniform(1.2, 2.0) * draw.choice([-1.0, 1.0])
        decades = _decades(axis)
        return {axis.path: (axis.low * 10 ** (share * decades), bend / (decades * (1 - share)))}
    return {}


def _draw_unevenness(study: Study, seed: int) -> Relief:
    others = tuple(axis for axis in study.axes if axis.path != LR)
    return Relief(others, UNEVEN_HEIGHT, UNEVEN_LENGTH, seed + UNEVEN_SEEDS)


def _log_ranges(study: Study) -> list[RangeAxis]:
    return [a for a in study.axes if isinstance(a, RangeAxis) and a.path != LR and a.log]


def _decades(axis: RangeAxis) -> float:
    return log10(axis.high / axis.low)


def _lay(world: Surface, study: Study, lr: RangeAxis, seed: int) -> Surface:
    """Flatten the world if it is too high for the range, then put it somewhere inside."""
    low, high = log10(lr.low) + MARGIN_DECADES, log10(lr.high) - MARGIN_DECADES
    low, high = min(low, high), max(low, high)
    bottom, top = _extent(world, study)
    if top - bottom > high - low:
        world = _flatten(world, 0.95 * (high - low) / (top - bottom))
        bottom, top = _extent(world, study)
    share = float(np.random.default_rng([seed, 3]).uniform(0.2, 0.8))
    return replace(world, base=low - bottom + share * (high - low - (top - bottom)))


def _lift_out(world: Surface, study: Study, lr: RangeAxis) -> Surface:
    bottom, _ = _extent(world, study)
    return replace(world, base=log10(lr.high) + 1.0 - bottom)


def _extent(world: Surface, study: Study) -> tuple[float, float]:
    thresholds = [world.threshold_at(point) for point in study.slices()[:LAYING_SLICES]]
    return min(thresholds), max(thresholds)


def _flatten(world: Surface, factor: float) -> Surface:
    assert world.relief is not None
    return replace(
        world,
        slopes={path: factor * slope for path, slope in world.slopes.items()},
        kinks={path: (at, factor * extra) for path, (at, extra) in world.kinks.items()},
        offsets={key: factor * decades for key, decades in world.offsets.items()},
        relief=replace(world.relief, height=factor * world.relief.height),
    )
