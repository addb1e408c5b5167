"""Arms against a baseline: differences on paired seeds, and what they weigh.

1. The first arm is the baseline; every other arm is compared with it, measure by measure. A
   difference is the arm's number minus the baseline's, one for each seed.
2. Its 95 % interval is a studentised bootstrap over seeds, its p two-sided by exact sign flips
   (``orchestrator.paired``); Holm's correction runs over all comparisons that are shown.
3. *higher* or *lower* if the corrected p is below 0.05 and the interval excludes 0; else
   *undecided*, and so where more than a fifth of the critical learning rates lie beyond the
   studied range, since the numbers would be the range's.
4. The effect size is Cohen's d_z: the mean difference over the differences' standard deviation
   (n - 1). If they are normal, the arm is above the baseline in Phi(d_z) of all seeds.
5. The seeds needed are those of a two-sided paired t-test at 5 %, with the spread found here,
   for a difference that is asked for; else for the difference found, which is itself uncertain.

The sign test beside it counts seeds only: how many lie above, and its exact two-sided p.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
from scipy.stats import binomtest

from orchestrator.claims.verdict import ALPHA, INTERVAL_SEEDS, MOST_CENSORED
from orchestrator.compare.arm import StudyArm
from orchestrator.compare.pairing import check_pairing
from orchestrator.compare.reading import PairReading, read_pair
from orchestrator.errors import CompareError
from orchestrator.paired import MINIMUM_SEEDS, adjust_holm, bound_mean, weigh_mean
from orchestrator.power import count_seeds

_NO_SPREAD = 1e-9


class Direction(StrEnum):
    """Where an arm lies, seen from the baseline."""

    HIGHER = "higher"
    LOWER = "lower"
    UNDECIDED = "undecided"


@dataclass(frozen=True, slots=True)
class Comparison:
    """One measure of one arm against the baseline's.

    Attributes:
        reading: The numbers by seed.
        difference: Mean of arm minus baseline; a critical learning rate's is in decades.
        low, high: 95 % interval; None with fewer than five seeds.
        p, p_holm: Two-sided, by sign flips; corrected for all comparisons shown.
        above, below: Seeds in which the arm is above, below the baseline; ``p_sign`` of these.
        effect: Cohen's d_z; None where the differences have no spread.
        seeds_needed: For the wanted power; None without spread, or beyond a million.
        notes: What a reader has to know of the pairing.
    """

    baseline: str
    arm: str
    reading: PairReading
    difference: float
    low: float | None
    high: float | None
    p: float
    p_holm: float
    above: int
    below: int
    p_sign: float
    effect: float | None
    seeds_needed: int | None
    notes: tuple[str, ...]

    @property
    def direction(self) -> Direction:
        """Return the verdict: rule 3."""
        reading = self.reading
        is_cut = reading.censored > MOST_CENSORED * reading.thresholds
        if self.p_holm >= ALPHA or is_cut or self.low is None or self.high is None:
            return Direction.UNDECIDED
        if self.low > 0:
            return Direction.HIGHER
        return Direction.LOWER if self.high < 0 else Direction.UNDECIDED


def compare_arms(
    arms: Sequence[StudyArm],
    measures: Sequence[str],
    power: float = 0.8,
    difference: float | None = None,
) -> list[Comparison]:
    """Return every arm but the first against it, by measure.

    Args:
        arms: The baseline and at least one more.
        measures: Names as claims have them.
        power: What the seeds are counted for.
        difference: The difference they shall find, in the measure's unit; default: that found.

    Raises:
        NotPairedError: If an arm is not paired with the baseline.
        CompareError: If two arms have nothing to compare, or too few seeds.
    """
    baseline, *others = arms
    found = [
        _compare(measure, baseline, arm, power, difference)
        for measure in measures
        for arm in others
    ]
    corrected = adjust_holm([comparison.p for comparison in found])
    return [replace(one, p_holm=p) for one, p in zip(found, corrected, strict=True)]


def _compare(
    measure: str, baseline: StudyArm, arm: StudyArm, power: float, difference: float | None
) -> Comparison:
    notes = check_pairing(baseline, arm, measure)
    reading = read_pair(measure, baseline, arm)
    if len(reading.seeds) < MINIMUM_SEEDS:
        raise CompareError(
            f"{measure}: {baseline.label} and {arm.label} share {len(reading.seeds)} measured "
            f"seed; expected at least {MINIMUM_SEEDS}"
        )
    return weigh_pair(reading, baseline.label, arm.label, notes, power, difference)


def weigh_pair(
    reading: PairReading,
    baseline: str = "",
    arm: str = "",
    notes: tuple[str, ...] = (),
    power: float = 0.8,
    difference: float | None = None,
) -> Comparison:
    """Return what two arms' numbers weigh, as if nothing else were compared."""
    differences_N = np.subtract(reading.second, reading.first)
    mean = float(differences_N.mean())
    sided = weigh_mean(differences_N)
    p = min(1.0, 2 * min(float(sided.above_S), float(sided.below_S)))
    interval = bound_mean(differences_N) if len(differences_N) >= INTERVAL_SEEDS else None
    above, below = int((differences_N > 0).sum()), int((differences_N < 0).sum())
    spread = float(differences_N.std(ddof=1))
    has_spread = spread > _NO_SPREAD * float(np.abs([*reading.first, *reading.second]).max())
    wanted = mean if difference is None else difference
    return Comparison(
        baseline=baseline,
        arm=arm,
        reading=reading,
        difference=mean,
        low=None if interval is None else float(interval.low_S),
        high=None if interval is None else float(interval.high_S),
        p=p,
        p_holm=p,
        above=above,
        below=below,
        p_sign=float(binomtest(above, above + below).pvalue) if above + below else 1.0,
        effect=mean / spread if has_spread else None,
        seeds_needed=count_seeds(wanted / spread, power) if has_spread else None,
        notes=notes,
    )
