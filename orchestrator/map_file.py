"""``collapse_map.json``: the map as a file that is equal, byte for byte, for equal outcomes.

So it holds no times, no commit and no host; keys are sorted, and numbers that come out of
numerical integration are rounded to six significant digits (another processor may differ in the
last bit). Learning rates and levels are in the study's own units, steps are optimiser steps.

``numbers`` are those of the report by their ids, which ``rankfall explain`` takes; those of single
trials are the outcomes, with the id of their score, and those that a clock made are left out.
"""

import json

from orchestrator.audit.catalogue import list_numbers
from orchestrator.audit.number import Family, Number, identify, round_off
from orchestrator.collapse_map import Boundary, CollapseMap, Counts, SliceMap
from orchestrator.record import TrialRecord
from search_spaces.study import Study
from trainer.cohort import Outcome

SCHEMA_VERSION = 1


def to_json(collapse_map: CollapseMap) -> str:
    """Return the file's text, ending in a newline."""
    study = collapse_map.study
    content = {
        "schema_version": SCHEMA_VERSION,
        "study": {
            "name": study.name,
            "digest": study.digest,
            "question": study.question.value,
            "metric": study.collapse.metric,
            "seed": study.seed,
            "replicates": study.replicates,
            **_describe_prior(collapse_map),
        },
        "levels": list(collapse_map.levels),
        "lr_range": collapse_map.lr_range and list(collapse_map.lr_range),
        "slices": [_describe_slice(slice_map) for slice_map in collapse_map.slices],
        "totals": _describe_counts(collapse_map.counts),
        "off_slice_trials": collapse_map.off_slice,
        "audit": {
            "audited_trials": collapse_map.audit.audited,
            "disagreed_trials": collapse_map.audit.disagreed,
            "changed_regime_trials": collapse_map.audit.changed_regime,
        },
        "outcomes": [_describe_outcome(study, r, o) for r, o in collapse_map.outcomes],
        "numbers": [
            _describe_number(number)
            for number in list_numbers(collapse_map)
            if not number.is_timed and not number.id.startswith(f"{Family.TRIAL}-")
        ],
    }
    return json.dumps(content, indent=1, sort_keys=True, allow_nan=False) + "\n"


def _describe_prior(collapse_map: CollapseMap) -> dict[str, object]:
    start = collapse_map.study.start
    if start is None:
        return {}
    prior = {
        "study": start.study,
        "study_digest": start.study_digest,
        "findings_digest": start.findings_digest,
        "digest": start.digest,
        "places": len(start.places),
        "is_kept": collapse_map.is_prior_kept,
    }
    return {"prior": prior}


def _describe_slice(slice_map: SliceMap) -> dict[str, object]:
    return {
        "coordinates": dict(slice_map.point.coordinates),
        "counts": _describe_counts(slice_map.counts),
        "boundaries": [_describe_boundary(boundary) for boundary in slice_map.boundaries],
    }


def _describe_counts(counts: Counts) -> dict[str, object]:
    return {
        "finished_trials": counts.finished,
        "missing_trials": counts.missing,
        "not_finished_trials": counts.not_finished,
        "decided_early_trials": counts.decided_early,
        "trial_steps": counts.trial_steps,
        "regimes": dict(counts.regimes),
    }


def _describe_boundary(boundary: Boundary) -> dict[str, object]:
    band = boundary.band_lr
    return {
        "level": boundary.level,
        "verdict": boundary.verdict.value,
        "critical_lr": round_off(boundary.critical_lr),
        "band_95_or_transition_lr": band and [round_off(band[0]), round_off(band[1])],
        "last_healthy_lr": round_off(boundary.last_healthy_lr),
        "first_collapsed_lr": round_off(boundary.first_collapsed_lr),
        "band_95_decades": round_off(boundary.band_decades),
        "probability_above_range": round_off(boundary.p_above),
        "probability_below_range": round_off(boundary.p_below),
        "trials": boundary.trials,
    }


def _describe_number(number: Number) -> dict[str, object]:
    return {"id": number.id, "what": number.what, "value": number.value}


def _describe_outcome(study: Study, record: TrialRecord, outcome: Outcome) -> dict[str, object]:
    return {
        "trial": record.key,
        "score_number": identify(study, Family.TRIAL, record.key, "score"),
        "coordinates": dict(record.proposal.point.coordinates),
        "replicate": record.proposal.replicate,
        "seed": record.seed,
        "lr": record.settings.lr,
        "regime": outcome.regime.value,
        "score": outcome.score,
        "steps_done": outcome.steps_done,
        "decided_early": outcome.decided_early,
        "diverged_at_step": outcome.diverged_at_step,
    }
