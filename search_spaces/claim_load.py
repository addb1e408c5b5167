"""From a claim file to a validated claim whose arms lie on its study's axes."""

import json
import math
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from pathlib import Path

from pydantic import ValidationError

from search_spaces.axis import Axis
from search_spaces.claim import THRESHOLD_MEASURES, Claim, Contrast
from search_spaces.claim_size import Size
from search_spaces.complaints import Complaints, nearest_of
from search_spaces.errors import ClaimNotFoundError, StudyContentError
from search_spaces.explain import explain
from search_spaces.load import load_study, parse_study
from search_spaces.located import LocatedMapping, describe, find_origin, strip_origins
from search_spaces.measures import COUPLING_MEASURES
from search_spaces.origin import Origin, Problem
from search_spaces.point import Value
from search_spaces.rules import EVALUATE_MEASURES
from search_spaces.schema import read_model
from search_spaces.study import LR, Study
from search_spaces.study_text import read_study_text
from search_spaces.yaml_source import YamlSource

_PACKAGE = Path(str(files("search_spaces")))
CLAIMS = _PACKAGE / "claims"
KEPT_RESULTS = CLAIMS / "results"
STUDIES = _PACKAGE / "studies"


def load_claim(path: Path) -> Claim:
    """Read and validate a claim file, without its study.

    Raises:
        StudyFileError: If it cannot be read or is not a valid claim; one line for each problem,
            with file, line and field.
    """
    return parse_claim(read_study_text(path), str(path))


def parse_claim(text: str, source: str) -> Claim:
    """Validate the text of a claim file; see :func:`load_claim`."""
    document = YamlSource(text, source)
    root = document.compose()
    complaints = Complaints(document.problems)
    if not isinstance(root, LocatedMapping):
        got = "nothing" if root is None else describe(strip_origins(root))
        message = f"expected a mapping that starts with 'claim: its-id', got {got}"
        raise StudyContentError([Problem(Origin(source, 1), "", message)])
    known = read_model(Claim).children
    for key in root.entries:
        if key not in known:
            complaints.add_unknown_key(root.key_origins[key], key, known, "")
    claim = _validate(root, complaints)
    if claim is None or complaints.problems:
        raise StudyContentError(complaints.problems)
    return claim


def _validate(root: LocatedMapping, complaints: Complaints) -> Claim | None:
    try:
        return Claim.model_validate_json(json.dumps(strip_origins(root)), strict=True)
    except ValidationError as error:
        for details in error.errors():
            loc = details["loc"]
            path = ".".join(map(str, loc))
            if not complaints.is_settled(path):
                complaints.add(find_origin(root, loc), path, explain(details))
        return None


@cache
def shipped_claims() -> tuple[Claim, ...]:
    """Return the claims that ship with Rankfall, by paper and then as their files are ordered.

    Raises:
        StudyFileError: If one is not valid.
    """
    claims = [load_claim(path) for path in sorted(CLAIMS.glob("*.yaml"))]
    return tuple(sorted(claims, key=lambda claim: (claim.paper, claim.claim)))


def find_claim(name: str) -> Claim:
    """Return the shipped claim of a name.

    Raises:
        ClaimNotFoundError: If there is none.
    """
    claims = {claim.claim: claim for claim in shipped_claims()}
    if name not in claims:
        nearest = nearest_of(name, claims)
        question = "" if nearest is None else f"; did you mean {nearest}?"
        raise ClaimNotFoundError(
            f"there is no claim {name!r}; there are {', '.join(claims)}{question}"
        )
    return claims[name]


def load_sized_study(claim: Claim, size: Size, seed: int = 0) -> Study:
    """Return a claim's study at a size, its claim's arms checked against its axes.

    At the paper's size its data need not be on this machine.

    Raises:
        StudyFileError: If the study is not valid, or does not hold what the claim compares.
    """
    path, overrides = STUDIES / f"{claim.study}.yaml", claim.overrides(size, seed)
    if size is Size.PAPER:
        text = read_study_text(path)
        study = parse_study(text, str(path), overrides, is_recorded=True)
    else:
        study = load_study(path, overrides)
    problems = list(_find_problems(claim, study, size))
    if problems:
        raise StudyContentError(problems)
    return study


def _find_problems(claim: Claim, study: Study, size: Size) -> Iterator[Problem]:
    origin = Origin(f"claim {claim.claim}")
    groups = {"contrasts": claim.contrasts, "also": claim.also}
    if size is Size.PAPER:
        del groups["also"]  # about what differs from the paper, which may not exist at its size
    for group, contrasts in groups.items():
        for number, contrast in enumerate(contrasts):
            for part, message in _check_contrast(contrast, study):
                yield Problem(origin, f"{group}.{number}.{part}", message)
    measures = () if claim.bound is None else claim.bound.measures
    if study.align is None and any(m in COUPLING_MEASURES for m in measures):
        yield Problem(origin, "bound", f"study {study.name} has no align, which measures this")


def _check_contrast(contrast: Contrast, study: Study) -> Iterator[tuple[str, str]]:
    axes = {axis.path: axis for axis in study.axes}
    for name, arm in (("of", contrast.of), ("minus", contrast.minus or {})):
        for path, value in arm.items():
            if path not in axes:
                yield name, f"{path} is no axis of study {study.name}: {', '.join(axes)}"
            elif not _lies_on(value, axes[path]):
                yield name, f"{path}: {value} is not on the grid of study {study.name}"
    if contrast.along is not None and contrast.along not in axes:
        yield "along", f"{contrast.along} is no axis of study {study.name}: {', '.join(axes)}"
    if contrast.measure in THRESHOLD_MEASURES and LR not in axes:
        yield "measure", f"{contrast.measure} needs lr on an axis of study {study.name}"
    yield from _check_measured(contrast.measure, study)


_NEEDS_ALIGN = frozenset(
    {*COUPLING_MEASURES, "weight_gap_growth", "angle_excess", "cka_shared_excess"}
)


def _check_measured(measure: str, study: Study) -> Iterator[tuple[str, str]]:
    if measure in _NEEDS_ALIGN and study.align is None:
        yield "measure", f"{measure} needs align in study {study.name}"
    elif "shared" in measure and not (study.align is not None and study.align.unshared):
        yield "measure", f"{measure} needs align: {{unshared: true}} in study {study.name}"
    missing = [n for n in EVALUATE_MEASURES.get(measure, ()) if not getattr(study.evaluate, n)]
    if missing:
        yield "measure", f"{measure} needs evaluate.{missing[0]} in study {study.name}"


def _lies_on(value: Value, axis: Axis) -> bool:
    return any(same_value(value, other) for other in axis.grid())


def same_value(left: Value, right: Value) -> bool:
    """Return whether two coordinates are equal; numbers up to the four digits of a key."""
    if isinstance(left, str | bool) or isinstance(right, str | bool):
        return left == right
    return math.isclose(left, right, rel_tol=5e-4)
