"""What can be wrong with a study.

SearchSpaceError (a ValueError)
├── StudyFileError           a study that cannot be used; carries one Problem a line
│   ├── StudyUnreadableError   no such file, a folder, not UTF-8, no permission
│   ├── StudySyntaxError       not YAML, or YAML that a study may not use
│   └── StudyContentError      readable, but not a valid study; every problem is listed
├── ClaimNotFoundError       no claim of that name ships with Rankfall
└── PointError               a point that does not lie on the study's axes
"""

from collections.abc import Iterable

from search_spaces.origin import Problem


class SearchSpaceError(ValueError):
    """Base of every error of this package."""


class StudyFileError(SearchSpaceError):
    """A study that cannot be used.

    Attributes:
        problems: What is wrong, in the order of the file, those of ``--set`` last. The
            error's text is one line for each.
    """

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(dict.fromkeys(problems), key=Problem.sort_key))
        super().__init__("\n".join(str(problem) for problem in self.problems))

    def __reduce__(self) -> tuple[type["StudyFileError"], tuple[tuple[Problem, ...]]]:
        """Pickle by problems, so that the error survives a process border."""
        return type(self), (self.problems,)


class StudyUnreadableError(StudyFileError):
    """The file cannot be read as text."""


class StudySyntaxError(StudyFileError):
    """The text is not YAML, or uses YAML that a study may not use."""


class StudyContentError(StudyFileError):
    """The YAML is not a valid study."""


class ClaimNotFoundError(SearchSpaceError):
    """No claim of that name ships with Rankfall."""


class PointError(SearchSpaceError):
    """A point does not lie on the study's axes."""
