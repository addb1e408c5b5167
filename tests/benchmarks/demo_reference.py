"""The demo's boundary from a dense grid: how it is read, kept with its digest, and loaded."""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from statistics import median, stdev
from typing import Any

import numpy as np

from orchestrator.planners.monotone import find_crossing
from orchestrator.planners.protocol import Finding, Proposal
from orchestrator.planners.space import round_within
from search_spaces.point import Point
from search_spaces.study import LR, PlannerKind, Study
from tests.benchmarks.demo_ground import Found, steps_of

FILE = Path(__file__).with_name("demo_reference.json")


@dataclass(frozen=True, slots=True)
class ReferenceSlice:
    """One slice: the log10 threshold of every seed (None: no single crossing) and their median.

    The median is None unless most of the seeds have a threshold; ``error`` is its standard
    error over the seeds.
    """

    point: Point
    thresholds: tuple[float | None, ...]
    median: float | None
    error: float | None


def dense_proposals(study: Study, per_decade: int, seeds: int) -> list[Proposal]:
    """Return the grid: every slice of the study, every 1 / per_decade of a decade, every seed."""
    axis = study.lr_axis
    assert axis is not None, "the demo has one"
    low, high = math.log10(axis.low), math.log10(axis.high)
    count = round((high - low) * per_decade) + 1
    rates = [round_within(10.0 ** float(x), axis) for x in np.linspace(low, high, count)]
    return [
        Proposal(point.replace(LR, rate), seed)
        for point, rate, seed in product(study.slices(), rates, range(seeds))
    ]


def read_reference(study: Study, found: Found, seeds: int) -> list[ReferenceSlice]:
    """Return the boundary of every slice from the grid's trials."""
    rows: dict[tuple[str, int], list[tuple[float, Finding]]] = {}
    for proposal, finding in found.values():
        where = (proposal.point.without(LR).key, proposal.replicate)
        rows.setdefault(where, []).append((math.log10(float(proposal.point[LR])), finding))
    level = study.collapse.below
    return [
        _sum_up(point, [_threshold(rows[point.key, seed], level) for seed in range(seeds)])
        for point in study.slices()
    ]


def _sum_up(point: Point, thresholds: Sequence[float | None]) -> ReferenceSlice:
    known = [x for x in thresholds if x is not None]
    if 2 * len(known) <= len(thresholds):
        return ReferenceSlice(point, tuple(thresholds), None, None)
    # Of normal values the median is 1.25 times as uncertain as the mean.
    error = 1.25 * stdev(known) / math.sqrt(len(known)) if len(known) > 1 else None
    return ReferenceSlice(point, tuple(thresholds), median(known), error)


def _threshold(trials: Sequence[tuple[float, Finding]], level: float) -> float | None:
    """Return where one seed's score crosses the level, between two trials of the grid."""
    ordered = sorted(trials, key=lambda trial: trial[0])
    x_n = np.array([x for x, _ in ordered])
    collapsed_n = np.array([finding.is_collapsed for _, finding in ordered])
    crossing = find_crossing(x_n, collapsed_n)
    if crossing.is_reentrant or not x_n[0] < crossing.cut < x_n[-1]:
        return None
    i = int(np.searchsorted(x_n, crossing.cut))
    above, below = (math.log(max(f.score, 1.0) / level) for _, f in ordered[i - 1 : i + 1])
    share = above / (above - below) if above > 0 > below else 0.5
    return float(x_n[i - 1] + share * (x_n[i] - x_n[i - 1]))


def save(study: Study, found: Found, per_decade: int, seeds: int, path: Path = FILE) -> None:
    """Write the reference with the study's digest and its own."""
    slices = [
        {
            "point": dict(entry.point.coordinates),
            "thresholds": [None if x is None else round(x, 4) for x in entry.thresholds],
            "median": None if entry.median is None else round(entry.median, 4),
            "error": None if entry.error is None else round(entry.error, 4),
        }
        for entry in read_reference(study, found, seeds)
    ]
    content: dict[str, Any] = {
        "study": study.name,
        "study_digest": digest_of_trials(study),
        "per_decade": per_decade,
        "seeds": seeds,
        "trials": len(found),
        "trial_steps": steps_of(found.values()),
        "slices": slices,
    }
    path.write_text(json.dumps(content | {"digest": digest_of(content)}, indent=1) + "\n")


def load(study: Study, path: Path = FILE) -> tuple[dict[str, Any], list[ReferenceSlice]]:
    """Return the file's own words and its slices.

    Raises:
        ValueError: If the file was changed, or was made from another study than this one.
    """
    content = json.loads(path.read_text())
    digest = content.pop("digest")
    if digest != digest_of(content):
        raise ValueError(f"{path} was changed after it was made; make it again")
    if content["study_digest"] != digest_of_trials(study):
        raise ValueError(
            f"{path} was made from {content['study']} {content['study_digest']}, the study is "
            f"{digest_of_trials(study)} now: make it again with --make-reference"
        )
    slices = [
        ReferenceSlice(Point.of(s["point"]), tuple(s["thresholds"]), s["median"], s["error"])
        for s in content["slices"]
    ]
    return content | {"digest": digest}, slices


def digest_of_trials(study: Study) -> str:
    """Return the study's digest but for who plans it, which changes no trial."""
    return replace(study, planner=PlannerKind.GRID).digest


def digest_of(content: Mapping[str, Any]) -> str:
    """Return 16 hexadecimal characters of a file's content."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]
