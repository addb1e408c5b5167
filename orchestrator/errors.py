"""What can go wrong around a study once it is understood.

OrchestratorError
├── ReportError             the report cannot be written
└── TrackingError           MLflow cannot be written, read or reached
    └── TrackingServerError     MLflow's own server cannot be started
"""


class OrchestratorError(Exception):
    """Base of every error of this package; its text is one line for the user."""


class ReportError(OrchestratorError):
    """A report cannot be written: the folder is missing rights, space, or is a file."""


class TrackingError(OrchestratorError):
    """MLflow cannot be written, read or reached; the ledger is whole all the same."""


class TrackingServerError(TrackingError):
    """MLflow's server cannot be started: port taken, host refused, or it ended at once."""
