"""From a claim, its study and the ledger's records to a result; and a paper's results together."""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from orchestrator.claims.readings import read_contrast
from orchestrator.claims.result import (
    ArmValues,
    BoundResult,
    ClaimResult,
    ClaimVerdict,
    ContrastResult,
)
from orchestrator.claims.verdict import Leaning, correct, judge, judge_bound, lean, weigh
from orchestrator.record import Provenance, TrialRecord, TrialState
from search_spaces.claim import Bound, Claim, Contrast
from search_spaces.claim_size import Size
from search_spaces.study import Study


def decide(
    claim: Claim,
    size: Size,
    study: Study,
    records: Sequence[TrialRecord],
    provenance: Provenance,
) -> ClaimResult:
    """Return what a study's trials say of a claim, as if it were its paper's only one.

    :func:`settle` corrects for the others.
    """
    contrasts = [_decide_contrast(c, study, records) for c in claim.contrasts]
    bound = None if claim.bound is None else _check_bound(claim.bound, records)
    leaning = lean(contrasts) if contrasts else None
    verdict = ClaimVerdict.INCONCLUSIVE
    if leaning is not None:
        verdict = judge(leaning, leaning.p)
    elif bound is not None:
        verdict = judge_bound(bound)
    states = Counter(record.state for record in records)
    return ClaimResult(
        claim=claim.claim,
        paper=claim.paper,
        size=size,
        study=study.name,
        digest=study.digest,
        seed=study.seed,
        trials=states[TrialState.FINISHED],
        missing=states[TrialState.MISSING],
        contrasts=tuple(contrasts),
        also=tuple(_decide_contrast(c, study, records) for c in claim.also),
        bound=bound,
        p=None if leaning is None else leaning.p,
        p_holm=None if leaning is None else leaning.p,
        verdict=verdict,
        decided_on=datetime.now(UTC).date(),
        trial_seconds=sum(r.outcome.seconds for r in records if r.outcome is not None),
        git_commit=provenance.git_commit,
        versions=provenance.versions,
    )


def settle(results: Iterable[ClaimResult], claims: Iterable[Claim]) -> list[ClaimResult]:
    """Return results with Holm's correction over each paper's claims, and the verdicts it leaves.

    Args:
        results: At most one for each claim.
        claims: All claims there are; those of a paper without a result count as p = 1.
    """
    results = list(results)
    of_paper = Counter(claim.paper for claim in claims if claim.bound is None)
    leanings: dict[str, dict[str, Leaning]] = {}
    for result in results:
        if result.contrasts:
            leanings.setdefault(result.paper, {})[result.claim] = lean(result.contrasts)
    corrected: dict[str, float] = {}
    for paper, group in leanings.items():
        tests = max(of_paper[paper], len(group))
        corrected |= dict(zip(group, correct(list(group.values()), tests), strict=True))
    settled = []
    for result in results:
        if not result.contrasts:
            settled.append(result)
            continue
        leaning, p = leanings[result.paper][result.claim], corrected[result.claim]
        changes = {"p": leaning.p, "p_holm": p, "verdict": judge(leaning, p)}
        settled.append(result.model_copy(update=changes))
    return settled


def _decide_contrast(
    contrast: Contrast, study: Study, records: Sequence[TrialRecord]
) -> ContrastResult:
    reading = read_contrast(contrast, study, records)
    weight = weigh(reading.values, contrast)
    arms = [
        ArmValues(label=a.label, at=a.at, values=tuple(a.by_replicate[s] for s in reading.seeds))
        for a in reading.arms
    ]
    return ContrastResult(
        label=contrast.label,
        measure=contrast.measure,
        is_slope=contrast.along is not None,
        is_log=contrast.along is not None and contrast.log,
        expect=contrast.expect,
        target=contrast.target,
        margin=contrast.margin,
        seeds=reading.seeds,
        arms=tuple(arms),
        values=reading.values,
        mean=weight.mean,
        low=weight.low,
        high=weight.high,
        p_support=weight.p_support,
        p_against=weight.p_against,
        thresholds=sum(arm.thresholds for arm in reading.arms),
        censored=sum(arm.censored for arm in reading.arms),
        dropped=reading.dropped,
    )


def _check_bound(bound: Bound, records: Sequence[TrialRecord]) -> BoundResult:
    """Look at every check of every trial; a check without the measure is not counted."""
    found = [
        value
        for record in records
        if record.outcome is not None and record.outcome.coupling is not None
        for measure in bound.measures
        for value in record.outcome.coupling.values.get(measure, ())
    ]
    return BoundResult(
        label=bound.label,
        checked=len(found),
        violated=sum(value < -bound.tolerance for value in found),
        least=min(found, default=None),
    )
