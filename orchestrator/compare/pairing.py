"""Whether two arms are paired: the same first weights, batches and views, seed by seed.

Seeds derive from a study's name, its ``seed`` and the replicate, so arms of one study share
them, and so do two studies of one name in two results folders, and a study and the one that it
names in ``seeds_from``. Data, model, training, and what counts as collapse must agree but for
what both arms name: that is what they compare. Not every ledger holds a digest of its data; the
effective rank before the first step stands for it, since data, weights and model together give
it and no objective does.
"""

from collections.abc import Iterator, Mapping, Sequence
from math import isclose

from orchestrator.compare.arm import StudyArm
from orchestrator.errors import NotPairedError
from orchestrator.record import TrialRecord
from orchestrator.report.wording import format_number
from search_spaces.canonical import flatten
from search_spaces.claim import THRESHOLD_MEASURES
from search_spaces.study import LR

SECTIONS = ("data", "model", "train", "collapse", "evaluate")
FINGERPRINT = "effective_rank"
_SAME_RANK = 1e-3
"""Relative; machines differ in the last bits of float32, seeds by percents."""

Settings = Mapping[str, frozenset[str]]


def check_pairing(first: StudyArm, second: StudyArm, measure: str) -> tuple[str, ...]:
    """Return what a reader has to know of the pairing, one sentence each.

    Raises:
        NotPairedError: If the arms are not paired; its text names what differs.
    """
    if first.study.digest == second.study.digest and first.records == second.records:
        raise NotPairedError(f"{first.label} and {second.label} are the same trials")
    _check_seeds(first, second)
    named = set(first.at) & set(second.at)
    different = _find_differences(first, second, measure)
    unasked = {path: ends for path, ends in different.items() if path not in named}
    if unasked:
        listed = "; ".join(f"{path}: {a} and {b}" for path, (a, b) in sorted(unasked.items()))
        raise NotPairedError(
            f"{first.label} and {second.label} are not paired, they differ in {listed}"
        )
    if not any(path.startswith(("data.", "model.")) for path in different):
        _check_fingerprints(first, second)
    return tuple(_remark(first, second, different))


def _check_seeds(first: StudyArm, second: StudyArm) -> None:
    left, right = (_seeds(arm.records) for arm in (first, second))
    shared = left.keys() & right.keys()
    if shared and all(left[r] == right[r] for r in shared):
        return
    origins = " and ".join(
        f"those of {arm.label} from study {arm.study.seeds_from or arm.study.name}, seed "
        f"{arm.study.seed}"
        for arm in (first, second)
    )
    raise NotPairedError(
        f"{first.label} and {second.label} are not paired: their seeds derive from different "
        f"names ({origins}); paired are the axes of one study, studies of one name and seed in two "
        "results folders, and two studies of one seed of which one has the key "
        f"'seeds_from: {first.study.seeds_from or first.study.name}'"
    )


def _seeds(records: Sequence[TrialRecord]) -> dict[int, int]:
    return {record.proposal.replicate: record.seed for record in records}


def _find_differences(
    first: StudyArm, second: StudyArm, measure: str
) -> dict[str, tuple[str, str]]:
    left, right = (_settings(arm, measure) for arm in (first, second))
    none = frozenset({"none"})
    return {
        path: (_say(left.get(path, none)), _say(right.get(path, none)))
        for path in sorted(left.keys() | right.keys())
        if left.get(path, none) != right.get(path, none)
    }


def _settings(arm: StudyArm, measure: str) -> Settings:
    """Return every value that a setting takes in an arm's trials, by path."""
    found: dict[str, set[str]] = {}
    for settings in {r.proposal.point: r.settings for r in arm.records}.values():
        content = settings.model_dump(mode="json", by_alias=True)
        flat = flatten({name: content[name] for name in SECTIONS})
        if measure not in THRESHOLD_MEASURES and LR not in _axes(arm):
            flat[LR] = settings.lr
        for path, value in flat.items():
            found.setdefault(path, set()).add(str(value))
    return {path: frozenset(values) for path, values in found.items()}


def _axes(arm: StudyArm) -> set[str]:
    return {axis.path for axis in arm.study.axes}


def _say(values: frozenset[str]) -> str:
    return "/".join(sorted(values))


def _check_fingerprints(first: StudyArm, second: StudyArm) -> None:
    left, right = (_fingerprints(arm.records) for arm in (first, second))
    for replicate in sorted(left.keys() & right.keys()):
        for a, b in zip(left[replicate], right[replicate], strict=True):
            if not isclose(a, b, rel_tol=_SAME_RANK):
                raise NotPairedError(
                    f"{first.label} and {second.label} are not paired: before the first step of "
                    f"seed {replicate} their effective ranks are {format_number(a, 5)} and "
                    f"{format_number(b, 5)}, so data or first weights differ (other files, or "
                    "another version of Rankfall)"
                )


def _fingerprints(records: Sequence[TrialRecord]) -> dict[int, tuple[float, float]]:
    """Return the lowest and highest rank before the first step, by replicate."""
    found: dict[int, list[float]] = {}
    for record in records:
        if record.outcome is not None and FINGERPRINT in record.outcome.initial:
            ranks = found.setdefault(record.proposal.replicate, [])
            ranks.append(record.outcome.initial[FINGERPRINT])
    return {replicate: (min(ranks), max(ranks)) for replicate, ranks in found.items()}


def _remark(
    first: StudyArm, second: StudyArm, different: Mapping[str, tuple[str, str]]
) -> Iterator[str]:
    if different:
        listed = ", ".join(different)
        yield f"the arms share seeds, not all of weights, batches and views: {listed} differs"
    left, right = first.provenance.versions, second.provenance.versions
    changed = [name for name in left if left[name] != right.get(name)]
    if changed:
        yield f"trained with different versions of {', '.join(changed)}"
