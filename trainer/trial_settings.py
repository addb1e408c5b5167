"""Everything that fixes one trial but its replicate: one model of images or of sounds."""

from typing import Annotated, Any, Final, Literal, get_args

from pydantic import Discriminator, Tag

from trainer.audio_settings import AUDIO_SOURCES, AudioSettings
from trainer.objective_settings import ObjectiveSettings
from trainer.settings import (
    CollapseSettings,
    DataSettings,
    EvaluateSettings,
    Frozen,
    LearningRate,
    ModelSettings,
    SourceName,
    TrainSettings,
)
from trainer.tower_settings import TowersSettings

Form = Literal["images", "sounds"]
"""What a study is about: images, or sounds with captions."""

IMAGES: Final = "images"
SOUNDS: Final = "sounds"


def _form_of_data(given: Any) -> Form:
    if not isinstance(given, dict):
        return SOUNDS if isinstance(given, AudioSettings) else IMAGES
    if given.get("source") in get_args(SourceName):
        return IMAGES
    # A source that is misspelt is told by the settings beside it.
    is_audio = given.get("source") in AUDIO_SOURCES
    return SOUNDS if is_audio or given.keys() - DataSettings.model_fields.keys() else IMAGES


def _form_of_model(given: Any) -> Form:
    if isinstance(given, dict):
        return SOUNDS if given.keys() & {"audio", "text"} else IMAGES
    return SOUNDS if isinstance(given, TowersSettings) else IMAGES


AnyDataSettings = Annotated[
    Annotated[DataSettings, Tag(IMAGES)] | Annotated[AudioSettings, Tag(SOUNDS)],
    Discriminator(_form_of_data),
]
"""Of images, or of sounds with captions; ``source`` says which."""

AnyModelSettings = Annotated[
    Annotated[ModelSettings, Tag(IMAGES)] | Annotated[TowersSettings, Tag(SOUNDS)],
    Discriminator(_form_of_model),
]
"""One encoder, or two towers; those have ``audio`` or ``text``."""


class TrialSettings(Frozen):
    """Everything that fixes one trial but its replicate."""

    data: AnyDataSettings
    model: AnyModelSettings
    train: TrainSettings = TrainSettings()
    objective: ObjectiveSettings
    lr: LearningRate
    collapse: CollapseSettings = CollapseSettings()
    evaluate: EvaluateSettings = EvaluateSettings()
