"""What can go wrong around a study once it is understood.

OrchestratorError
└── ReportError    the report cannot be written
"""


class OrchestratorError(Exception):
    """Base of every error of this package; its text is one line for the user."""


class ReportError(OrchestratorError):
    """A report cannot be written: the folder is missing rights, space, or is a file."""
