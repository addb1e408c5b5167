"""Says in our words what pydantic found wrong with a value."""

import re
from collections.abc import Mapping

from pydantic_core import ErrorDetails

from search_spaces.complaints import nearest_of
from search_spaces.located import describe

_TYPES = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "string_type": "text (put it in quotes)",
    "tuple_type": "a list",
    "model_type": "a mapping",
}

_BOUNDS = {
    "greater_than": ("above", "gt"),
    "greater_than_equal": ("of at least", "ge"),
    "less_than": ("below", "lt"),
    "less_than_equal": ("of at most", "le"),
}


def explain(error: ErrorDetails) -> str:
    """Return what was expected and what was got, e.g. ``expected a number, got 'fast'``."""
    match error["type"]:
        case "missing":
            return "missing; add this key"
        case "literal_error" | "enum":
            return _explain_choice(error["ctx"]["expected"], error["input"])
        case "value_error":
            got = error["input"]
            reason = str(error["ctx"]["error"])
            return reason if isinstance(got, Mapping) else f"{reason}, got {describe(got)}"
        case kind:
            return f"{_expected(kind, error)}, got {describe(error['input'])}"


def _expected(kind: str, error: ErrorDetails) -> str:
    if kind in _TYPES:
        return f"expected {_TYPES[kind]}"
    if kind in _BOUNDS:
        words, bound = _BOUNDS[kind]
        return f"expected a value {words} {error['ctx'][bound]:g}"
    if kind == "too_short":
        return f"expected a list of at least {error['ctx']['min_length']}"
    return error["msg"]


def _explain_choice(expected: str, got: object) -> str:
    """``expected`` is pydantic's listing, e.g. ``'sgd' or 'adam'``."""
    names = re.findall(r"'([^']*)'", expected)
    nearest = nearest_of(got, names)
    question = "" if nearest is None else f"; did you mean {nearest}?"
    one_of = "one of " if len(names) > 1 else ""
    return f"expected {one_of}{', '.join(names)}; got {describe(got)}{question}"
