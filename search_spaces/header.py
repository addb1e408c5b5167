"""What a study file says about the study as a whole: everything but the trial's settings."""

import json
import re
from collections import deque
from typing import Annotated

from pydantic import AfterValidator, Field, ValidationError

from search_spaces.complaints import Complaints
from search_spaces.explain import explain
from search_spaces.leaves import read_leaves
from search_spaces.located import LocatedMapping, find_origin, strip_origins
from search_spaces.schema import read_model
from search_spaces.study import (
    AlignSettings,
    Budget,
    OptimiseSettings,
    PlannerKind,
    PrunerKind,
    Question,
)
from trainer.settings import CollapseSettings, EvaluateSettings, Frozen

MAX_NAME_LENGTH = 80


def check_name(name: str) -> str:
    """Return the name if it can be a folder's on every system.

    Raises:
        ValueError: If it cannot.
    """
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", name) or len(name) > MAX_NAME_LENGTH:
        raise ValueError(
            "expected letters, digits, dashes and underscores, a letter or digit first, at most "
            f"{MAX_NAME_LENGTH} (it names a folder)"
        )
    return name


class StudyHeader(Frozen):
    """The study as a whole. ``seeds`` counts replicates, ``seed`` is what they derive from,
    ``prior`` names the study whose boundary this one starts from, ``seeds_from`` the study whose
    seeds this one takes, so that the two are paired. ``pruner: asha`` or ``hyperband`` ends trials
    of ``question: optimise`` that do worse than others did by then.
    """

    study: Annotated[str, AfterValidator(check_name)]
    question: Question
    planner: PlannerKind | None = None
    pruner: PrunerKind | None = None
    seeds: Annotated[int, Field(ge=1)] = 3
    seed: Annotated[int, Field(ge=0)] = 0
    collapse: CollapseSettings = CollapseSettings()
    evaluate: EvaluateSettings = EvaluateSettings()
    optimise: OptimiseSettings | None = None
    align: AlignSettings | None = None
    budget: Budget
    prior: Annotated[str, AfterValidator(check_name)] | None = None
    seeds_from: Annotated[str, AfterValidator(check_name)] | None = None


def read_header(root: LocatedMapping, complaints: Complaints) -> StudyHeader | None:
    """Return the header of a study; None after complaints."""
    schema = read_model(StudyHeader)
    given = {key: node for key, node in root.entries.items() if key in schema.children}
    own = LocatedMapping(given, root.key_origins, root.origin)
    deque(read_leaves(own, root.origin, schema, "", complaints), maxlen=0)  # for its complaints
    try:
        return StudyHeader.model_validate_json(json.dumps(strip_origins(own)), strict=True)
    except ValidationError as error:
        for details in error.errors():
            path = ".".join(map(str, details["loc"]))
            if not complaints.is_settled(path):
                complaints.add(find_origin(root, details["loc"]), path, explain(details))
        return None
