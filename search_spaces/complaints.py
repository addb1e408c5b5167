"""Collects what is wrong with a study while it is read, so that all of it is said at once."""

from collections.abc import Iterable
from difflib import get_close_matches

from search_spaces.origin import Origin, Problem


class Complaints:
    """Problems found so far, and the paths that need no second complaint.

    One mistake often has several effects: an unknown key ``sourc`` also leaves ``source``
    missing. A path is *settled* once it, a part above it, or its likely misspelling has been
    complained about; what comes later about it is dropped.
    """

    def __init__(self, problems: Iterable[Problem] = ()) -> None:
        self.problems = list(problems)
        self._settled = {problem.path for problem in self.problems if problem.path}

    def add(self, origin: Origin, path: str, message: str) -> None:
        """Complain about a path, and settle it."""
        self.problems.append(Problem(origin, path, message))
        self.settle(path)

    def add_unknown_key(self, origin: Origin, path: str, known: Iterable[str], note: str) -> None:
        """Complain about an unknown key; ``note`` goes behind the words "unknown key"."""
        parent, _, key = path.rpartition(".")
        nearest = nearest_of(key, known)
        self.add(origin, path, f"unknown key{note}; {listing('known keys', known, nearest)}")
        if nearest is not None:
            self.settle(f"{parent}.{nearest}" if parent else nearest)

    def settle(self, path: str) -> None:
        """Want no further complaint about a path and what is below it."""
        self._settled.add(path)

    def has_any_at(self, path: str) -> bool:
        """Return whether there is a complaint about a path or something below it."""
        return any(f"{problem.path}.".startswith(f"{path}.") for problem in self.problems)

    def is_settled(self, path: str) -> bool:
        """Return whether a path, or a part above it, is settled."""
        names = path.split(".")
        return any(".".join(names[: i + 1]) in self._settled for i in range(len(names)))


def nearest_of(got: object, known: Iterable[str]) -> str | None:
    """Return the known name that was probably meant, if one is near."""
    if not isinstance(got, str):
        return None
    by_fold = {name.casefold(): name for name in known}
    matches = get_close_matches(got.casefold(), by_fold, n=1)
    return by_fold[matches[0]] if matches else None


def listing(title: str, known: Iterable[str], nearest: str | None) -> str:
    """Return ``known keys: a, b; did you mean a?``; the question only if one is near."""
    names = f"{title}: {', '.join(sorted(known))}"
    return names if nearest is None else f"{names}; did you mean {nearest}?"
