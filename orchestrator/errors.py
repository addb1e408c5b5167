"""What can go wrong around a study once it is understood.

OrchestratorError
├── FolderError             a study's folder cannot be made or written
├── StudyBusyError          another process runs the study
├── LedgerError             a ledger is missing or not ours
│   └── StudyChangedError       it belongs to a study that asks something else
├── ClusterError            Ray cannot be reached, or is too small
│   └── TokenError              Ray asks for a token that was not given, or for another one
├── JobError                a study cannot be submitted, or a job is not known
├── ScheduleError           a schedule is not known, or cannot be as asked
├── StoreError              the scheduler's database cannot be used
├── ServeError              a part of the service cannot be started
├── DeployError             a study cannot be deployed as asked
├── EarlierTimesError       no earlier trials tell how long a study will take
├── SweepCutError           Ray ended a sweep before its time
├── PriorError              the study named by 'prior' is missing or found no boundary
├── SimulationError         a study that maps no boundary cannot be simulated
├── ClaimSizeError          the studies of a claim at the paper's size are not run here
├── ClaimResultError        the result of a claim cannot be read or written
├── DownloadError           a dataset cannot be had, or is not the published one
├── RerunError              a trial cannot be trained again, or has nothing to draw
├── ReportError             the report cannot be written
├── ExplainError            a report has no such number
├── CompareError            arms that are not as written, or have nothing to compare
│   └── NotPairedError          arms that do not share their seeds, data or settings
├── FigureError             a study has no data for a figure
├── ResultsError            a study has no such slice
└── TrackingError           MLflow cannot be written, read or reached
    └── TrackingServerError     MLflow's own server cannot be started
"""


class OrchestratorError(Exception):
    """Base of every error of this package; its text is one line for the user."""


class FolderError(OrchestratorError):
    """A study's folder cannot be made or written."""


class StudyBusyError(OrchestratorError):
    """Another process is running the study."""


class LedgerError(OrchestratorError):
    """A ledger is missing, or it is not one that Rankfall wrote."""


class StudyChangedError(LedgerError):
    """A ledger belongs to a study that asks something else than the file does now."""


class ClusterError(OrchestratorError):
    """Ray cannot be reached, or the cluster is too small for what was asked."""


class TokenError(ClusterError):
    """Ray asks for a token: none was given, it cannot be read, or it is another cluster's."""


class JobError(OrchestratorError):
    """A study cannot be submitted as asked, or there is no such job."""


class ScheduleError(OrchestratorError):
    """There is no such schedule, or it cannot be as it was asked for."""


class StoreError(OrchestratorError):
    """The scheduler's database is no such database, cannot be reached, or is held by others."""


class ServeError(OrchestratorError):
    """A part of the service cannot be started, or ended by itself."""


class DeployError(OrchestratorError):
    """A manifest cannot be made as asked, or not be written."""


class EarlierTimesError(OrchestratorError):
    """No earlier trials tell how long a study will take."""


class SweepCutError(OrchestratorError):
    """Ray ended a sweep before its time; what was finished is kept."""


class PriorError(OrchestratorError):
    """The study that another one takes as its prior is missing, or found no boundary."""


class SimulationError(OrchestratorError):
    """A study maps no boundary, so there is nothing to simulate."""


class ClaimSizeError(OrchestratorError):
    """The studies of a claim at the paper's size are for a cluster, not for this command."""


class ClaimResultError(OrchestratorError):
    """The result of a claim cannot be read or written."""


class DownloadError(OrchestratorError):
    """A dataset cannot be had, is not the published one, or cannot be written."""


class RerunError(OrchestratorError):
    """There is no such finished trial, or it has no embeddings."""


class ReportError(OrchestratorError):
    """A report cannot be written: the folder is missing rights, space, or is a file."""


class ExplainError(OrchestratorError):
    """A study's report has no such number, or several: the text names those that are close."""


class CompareError(OrchestratorError):
    """An arm is not written as one, has no trials, or has nothing to compare."""


class NotPairedError(CompareError):
    """Two arms do not share what a paired comparison needs; the text names what differs."""


class FigureError(OrchestratorError):
    """A study has no data for a figure, or too many curves, or the figure cannot be written."""


class ResultsError(OrchestratorError):
    """A study has no such slice, or several: coordinates are missing."""


class TrackingError(OrchestratorError):
    """MLflow cannot be written, read or reached; the ledger is whole all the same."""


class TrackingServerError(TrackingError):
    """MLflow's server cannot be started: port taken, host refused, or it ended at once."""
