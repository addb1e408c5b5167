"""What the trainer refuses, in one tree.

A leaf module: it imports nothing, so that the mathematics below may raise from it too.

TrainerError
├── BatchTooLargeError          the train split has fewer images than one batch
├── SettingError                a setting asks for what cannot be had
│   ├── DataError               images or sounds cannot be had as asked
│   │   ├── DataSettingsError   a source does not take a setting
│   │   ├── MissingSourceError  a source is not on disk
│   │   └── BadSourceError      what is on disk is not what the source's files should be
│   │       └── BadClipError    one row or recording of an audio source cannot be used
│   └── ModelSettingsError      a model cannot be built as asked
├── MicroBatchError             micro-batches of a model with batch norm
├── StackStateError             a saved state belongs to other members or another model
├── CheckpointError             a checkpoint is torn, foreign or of another version
├── FeatureCacheError           features of a frozen encoder cannot be stored
├── SplitError                  a model cannot be trained by workers that share its batches
├── UnequalWorkersError         workers that share batches came to different parameters
├── LaneError                   a worker group died under its work
└── ObjectiveError              an objective cannot be built or evaluated as asked
    ├── MixedStructureError     members of one stack differ in more than scalars
    ├── PrototypeCountError     more class prototypes than the embedding dimension holds
    ├── NoNegativeError         no anchor of the batch has a negative
    └── NoLikenessError         frozen features are asked for where there are none
"""


class TrainerError(Exception):
    """Something the user asked of the trainer that it cannot do."""


class BatchTooLargeError(TrainerError):
    """The train split has fewer images than one batch asks for."""


class MicroBatchError(TrainerError):
    """Micro-batches were asked of a model with batch norm, whose statistics are the batch's."""


class StackStateError(TrainerError):
    """A saved state belongs to other members or another model."""


class CheckpointError(TrainerError):
    """A checkpoint is torn, foreign or of another version; training begins anew."""


class SettingError(TrainerError):
    """A setting asks for what cannot be had.

    Attributes:
        section: Part of the study that the setting is in.
        field: The setting to blame, below the section.
        reason: What was expected, what was got, what to do next.
    """

    section: str

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(field, reason)
        self.field = field
        self.reason = reason

    def __str__(self) -> str:
        """Return setting and reason in one line."""
        return f"{self.section}.{self.field}: {self.reason}"


class DataError(SettingError):
    """Images or sounds cannot be had as asked."""

    section = "data"


class DataSettingsError(DataError):
    """A source does not take a setting, or not this value of it."""


class MissingSourceError(DataError):
    """A source is not on disk; nothing is downloaded, the reason says how to get it."""


class BadSourceError(DataError):
    """What is on disk is damaged, incomplete or another dataset."""


class BadClipError(BadSourceError):
    """One row or recording of an audio source cannot be used; the reason names file and row."""


class ModelSettingsError(SettingError):
    """A model cannot be built as asked."""

    section = "model"


class FeatureCacheError(TrainerError):
    """Features of a frozen encoder cannot be stored."""


class SplitError(TrainerError):
    """A model cannot be trained by workers that share its batches."""


class UnequalWorkersError(TrainerError):
    """Workers that share batches came to different parameters."""


class LaneError(TrainerError):
    """A worker group died under its work; nothing that it had finished is lost."""


class ObjectiveError(TrainerError):
    """An objective cannot be built or evaluated as asked."""


class MixedStructureError(ObjectiveError):
    """Members of one stacked objective differ in more than their scalars."""


class PrototypeCountError(ObjectiveError):
    """More class prototypes were asked for than the embedding dimension can hold."""


class NoNegativeError(ObjectiveError):
    """No anchor of the batch has a sample of a different class to be told from."""


class NoLikenessError(ObjectiveError):
    """An objective compares frozen features, and the batch comes without."""
